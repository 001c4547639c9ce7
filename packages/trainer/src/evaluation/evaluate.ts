import { type ScoreOptions, type Scores, score } from './scores.js';

/** Means over the pictures, and counts. */
export interface EvaluationResult {
  /** How many pictures. */
  readonly pictures: number;
  /** In nats. */
  readonly loss: number;
  /** Shares between 0 and 1. */
  readonly top1Error: number;
  readonly top5Error: number;
  /** Pictures whose class is not the likeliest; where classes are equally likely, one counts in part. */
  readonly top1Wrong: number;
  /** Pictures whose class is not among the five likeliest. */
  readonly top5Wrong: number;
}

/** What `evaluate` needs. */
export type EvaluationOptions = ScoreOptions;

/**
 * Measures a network on every picture of a split, however many there are.
 *
 * @throws ConfigError for a number of views other than 1 or 10; DataError where a picture cannot be read
 */
export async function evaluate(options: EvaluationOptions): Promise<EvaluationResult> {
  const tally = new Tally();
  for await (const scores of score(options)) tally.add(scores);
  return tally.result();
}

/** Counts what came of pictures, some at a time. */
export class Tally {
  #pictures = 0;
  #loss = 0;
  #top1 = 0;
  #top5 = 0;

  add({ losses, top1Errors, top5Errors }: Pick<Scores, 'losses' | 'top1Errors' | 'top5Errors'>): void {
    this.#pictures += losses.length;
    this.#loss += sum(losses);
    this.#top1 += sum(top1Errors);
    this.#top5 += sum(top5Errors);
  }

  result(): EvaluationResult {
    const pictures = this.#pictures;
    return {
      pictures,
      loss: this.#loss / pictures,
      top1Error: this.#top1 / pictures,
      top5Error: this.#top5 / pictures,
      top1Wrong: this.#top1,
      top5Wrong: this.#top5,
    };
  }
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
