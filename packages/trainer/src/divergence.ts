import { AlexError } from '@alex/tensor';
import type { LayerStatistics } from '@alex/tensor/network';

/** A loss above the loss of guessing, or that of the first step, by this factor means that values are exploding. */
const exploding = 100;
/** A layer whose output has grown by this factor since the last good state is where it started. */
const grown = 10;

/** The loss is not finite, or far larger than before. */
export class DivergenceError extends AlexError {
  readonly step: number;
  /** The loss is that of the parameters after this many steps. */
  readonly after: number;
  readonly loss: number;

  constructor(step: number, after: number, loss: number) {
    super(`the loss became ${loss} at step ${step}: training diverged`);
    this.step = step;
    this.after = after;
    this.loss = loss;
  }
}

/** Distinguishes normal losses from divergence. */
export class LossWatch {
  readonly #most: number;

  /** @param firstLoss of the run, if known */
  constructor(classes: number, firstLoss = 0) {
    this.#most = exploding * Math.max(Math.log(classes), firstLoss);
  }

  /**
   * @param after the number of steps after which the parameters have this loss: one less than `step` if a step itself
   * measured it
   * @throws DivergenceError for a loss that is not finite, or has exploded
   */
  check(loss: number, step: number, after = step): void {
    if (!(loss <= this.#most)) throw new DivergenceError(step, after, loss);
  }
}

/** A layer with the images of the failed step: in the last good state, and at the end. */
export interface LayerComparison {
  readonly good: LayerStatistics;
  readonly bad: LayerStatistics;
}

/** The information about a diverged training run. */
export interface DivergenceReport {
  readonly step: number;
  readonly loss: string;
  /** The step of the last good state. */
  readonly goodStep: number;
  /** The layer where it started, if known. */
  readonly began?: string;
  /** From the image upwards. */
  readonly layers?: readonly LayerComparison[];
  /** Why nothing is known about the layers. */
  readonly problem?: string;
}

/** The lowest layer whose outputs are not finite, or far larger than in the last good state. */
export function whereItBegan(layers: readonly LayerComparison[]): string | undefined {
  const broken = layers.find(({ good, bad }) => {
    const values = Object.values(bad.parameters).map(({ value }) => value);
    return [bad.output, ...values].some(({ nonFinite }) => nonFinite > 0) || bad.output.mean > grown * good.output.mean;
  });
  return broken?.bad.layer;
}
