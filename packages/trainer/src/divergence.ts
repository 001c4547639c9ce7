import { AlexError } from '@alex/tensor';
import type { LayerStatistics } from '@alex/tensor/network';

/** A loss above so many times what guessing costs, or what the first step cost, comes from numbers that grow without bounds. */
const exploding = 100;
/** A layer whose output is so many times what it was in the last good state is where it began. */
const grown = 10;

/** A loss that is not finite, or far beyond what it was. */
export class DivergenceError extends AlexError {
  readonly step: number;
  /** The loss is that of the parameters after so many steps. */
  readonly after: number;
  readonly loss: number;

  constructor(step: number, after: number, loss: number) {
    super(`the loss became ${loss} at step ${step}: training diverged`);
    this.step = step;
    this.after = after;
    this.loss = loss;
  }
}

/** Tells losses that are part of learning from those that are not. */
export class LossWatch {
  readonly #most: number;

  /** @param firstLoss of the run, where it is known */
  constructor(classes: number, firstLoss = 0) {
    this.#most = exploding * Math.max(Math.log(classes), firstLoss);
  }

  /**
   * @param after the steps after which the parameters have this loss: one less than `step` where a step itself measured it
   * @throws DivergenceError for a loss that is not finite, or exploded
   */
  check(loss: number, step: number, after = step): void {
    if (!(loss <= this.#most)) throw new DivergenceError(step, after, loss);
  }
}

/** A layer with the images of the step that went wrong: as it was in the last good state, and at the end. */
export interface LayerComparison {
  readonly good: LayerStatistics;
  readonly bad: LayerStatistics;
}

/** What is known of a training that diverged. */
export interface DivergenceReport {
  readonly step: number;
  readonly loss: string;
  /** The step of the last good state. */
  readonly goodStep: number;
  /** The layer where it began, if that was found. */
  readonly began?: string;
  /** From the image upwards. */
  readonly layers?: readonly LayerComparison[];
  /** Where nothing is known of the layers: why. */
  readonly problem?: string;
}

/** The lowest layer that gives numbers which are not finite, or far larger ones than in the last good state. */
export function whereItBegan(layers: readonly LayerComparison[]): string | undefined {
  const broken = layers.find(({ good, bad }) => {
    const values = Object.values(bad.parameters).map(({ value }) => value);
    return [bad.output, ...values].some(({ nonFinite }) => nonFinite > 0) || bad.output.mean > grown * good.output.mean;
  });
  return broken?.bad.layer;
}
