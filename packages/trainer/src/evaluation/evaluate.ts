import { checkOptions } from '@alex/tensor/kernels';
import { checkSplit, checkViewer, withoutOpenedRun } from '../checks.js';
import { gatherNumbers, type TrainingRanks } from '../ranks.js';
import { splitOfRank } from '../split-of-rank.js';
import { type ScoreOptions, type Scores, score, scoreOptionNames } from './scores.js';

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

/** What `evaluate` needs. */
export interface EvaluationOptions extends ScoreOptions {
  /** If several processes have the same network: each evaluates its share of the images, and all get the whole result. */
  readonly ranks?: TrainingRanks;
}

/**
 * Evaluates a network on every image of a split.
 *
 * @throws ConfigError for an unknown option, or a number of views other than 1 or 10; DataError if an image cannot be read
 */
export async function evaluate(options: EvaluationOptions): Promise<EvaluationResult> {
  const given = withoutOpenedRun(options);
  checkOptions('evaluate', given, [...scoreOptionNames, 'ranks']);
  checkViewer('evaluate', given);
  checkSplit('evaluate', given.split);
  const { ranks, split, ...rest } = given;
  const tally = new Tally();
  const own = ranks ? splitOfRank(split, ranks) : split;
  if (own.length > 0) for await (const scores of score({ ...rest, split: own })) tally.add(scores);
  if (!ranks) return tally.result();
  const all = new Tally();
  for (const sums of await gatherNumbers(ranks, tally.sums)) all.addSums(sums);
  return all.result();
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

  /** Images, loss, top-1 and top-5 errors: sums, as {@link Tally.addSums} takes them. */
  get sums(): number[] {
    return [this.#images, this.#loss, this.#top1, this.#top5];
  }

  addSums([images = 0, loss = 0, top1 = 0, top5 = 0]: readonly number[]): void {
    this.#images += images;
    this.#loss += loss;
    this.#top1 += top1;
    this.#top5 += top5;
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
