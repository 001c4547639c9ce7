import { chooseStrategy, measureRates, type Strategy } from '@alex/multi-gpu';
import type { Gpu, NetworkDescription } from '@alex/tensor';

/** How adapters share a network's work. */
export interface Sharing {
  readonly strategy: Strategy;
  /** Images of each adapter, where they are shared out unevenly. */
  readonly images?: readonly number[];
}

/** How the adapters share a network's work: as a person said or, with `auto`, as they are measured to do it fastest. */
export async function chooseSharing(
  description: NetworkDescription,
  gpus: readonly Gpu[],
  batch: number,
  strategy: Strategy | 'auto' | undefined,
  say: (line: string) => void,
): Promise<Sharing> {
  if (gpus.length === 1 && strategy !== undefined) {
    say(`--strategy ${strategy} changes nothing: there is one adapter, which does all of the work.`);
  }
  if (gpus.length === 1 || strategy === undefined) return { strategy: 'model' };
  if (strategy !== 'auto') return { strategy };
  const { why, ...chosen } = chooseStrategy(description, { batch, rates: await measureRates(gpus) });
  say(`Sharing the work by ${chosen.strategy}: ${why}.`);
  return chosen;
}
