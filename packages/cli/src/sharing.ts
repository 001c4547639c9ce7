import { chooseStrategy, measureRates, type Strategy } from '@alex/multi-gpu';
import type { Gpu, NetworkDescription } from '@alex/tensor';

/** How adapters share a network's work. */
export interface Sharing {
  readonly strategy: Strategy;
  /** Images of each adapter, if they are distributed unevenly. */
  readonly images?: readonly number[];
}

/**
 * How the adapters share a network's work: as the user said or, with `auto`, by the strategy that is fastest according
 * to measurements.
 */
export async function chooseSharing(
  description: NetworkDescription,
  gpus: readonly Gpu[],
  batch: number,
  strategy: Strategy | 'auto' | undefined,
  say: (line: string) => void,
): Promise<Sharing> {
  if (gpus.length === 1 && strategy !== undefined) {
    say(`--strategy ${strategy} has no effect: there is only one adapter.`);
  }
  if (gpus.length === 1 || strategy === undefined) return { strategy: 'model' };
  if (strategy !== 'auto') return { strategy };
  const { why, ...chosen } = chooseStrategy(description, { batch, rates: await measureRates(gpus) });
  say(`Sharing the work by ${chosen.strategy}: ${why}.`);
  return chosen;
}
