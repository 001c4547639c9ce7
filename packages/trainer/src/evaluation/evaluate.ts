import { type ScoreOptions, type Scores, score } from './scores.js';

/** Means over the images, and counts. */
export interface EvaluationResult {
  /** Number of images. */
  readonly images: number;
  /** In nats. */
  readonly loss: number;
  /** Fractions between 0 and 1. */
  readonly top1Error: number;
  readonly top5Error: number;
  /** Images whose class is not the most likely; with ties, an image counts fractionally. */
  readonly top1Wrong: number;
  /** Images whose class is not among the five most likely. */
  readonly top5Wrong: number;
}

/** Options of `evaluate`. */
export type EvaluationOptions = ScoreOptions;

/**
 * Evaluates a network on every image of a split.
 *
 * @throws ConfigError for a number of views other than 1 or 10; DataError if an image cannot be read
 */
export async function evaluate(options: EvaluationOptions): Promise<EvaluationResult> {
  const tally = new Tally();
  for await (const scores of score(options)) tally.add(scores);
  return tally.result();
}

/** Accumulates the results of images, some at a time. */
export class Tally {
  #images = 0;
  #loss = 0;
  #top1 = 0;
  #top5 = 0;

  add({ losses, top1Errors, top5Errors }: Pick<Scores, 'losses' | 'top1Errors' | 'top5Errors'>): void {
    this.#images += losses.length;
    this.#loss += sum(losses);
    this.#top1 += sum(top1Errors);
    this.#top5 += sum(top5Errors);
  }

  result(): EvaluationResult {
    const images = this.#images;
    return {
      images,
      loss: this.#loss / images,
      top1Error: this.#top1 / images,
      top5Error: this.#top5 / images,
      top1Wrong: this.#top1,
      top5Wrong: this.#top5,
    };
  }
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
