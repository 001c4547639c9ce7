import { type Curve, epochsTo } from './curve.js';

/** The epochs for which a rate is tried before the better ones continue. */
export const searchEpochs = 3;
/** cuda-convnet's rate, where every search starts. */
export const firstRate = 0.001;

/** The training error after `searchEpochs`, by which rates are compared; for a run that diverged, the error of guessing. */
export function searchError({ errors, divergedAt }: Curve): number | undefined {
  return errors[searchEpochs - 1] ?? (divergedAt === undefined ? undefined : 1);
}

/**
 * The rate to try next: factors of two in both directions from the first one, until the error is worse on either side of the best.
 *
 * @param tried curves of one activation and one seed
 * @returns undefined if the best is between two worse ones
 */
export function nextRate(tried: readonly Curve[]): number | undefined {
  const errors = new Map(tried.map((curve) => [exponentOf(curve.learningRate), searchError(curve)]));
  if (errors.get(0) === undefined) return firstRate;
  const best = exponentOf(ranked(tried)[0]!.learningRate);
  const missing = [best + 1, best - 1].find((exponent) => errors.get(exponent) === undefined);
  return missing === undefined ? undefined : rateOf(missing);
}

/** The rates in the order of their errors after the search, the best first. */
export function ranked(tried: readonly Curve[]): Curve[] {
  return tried
    .filter((curve) => searchError(curve) !== undefined)
    .sort((a, b) => searchError(a)! - searchError(b)! || a.learningRate - b.learningRate);
}

/** The curve that reached the target first; while none did, the one with the lowest error after the search. */
export function bestOf(tried: readonly Curve[]): Curve {
  const reached = tried
    .filter(({ errors }) => epochsTo(errors) !== undefined)
    .sort((a, b) => epochsTo(a.errors)! - epochsTo(b.errors)!);
  return reached[0] ?? ranked(tried)[0]!;
}

function exponentOf(rate: number): number {
  return Math.round(Math.log2(rate / firstRate));
}

function rateOf(exponent: number): number {
  return firstRate * 2 ** exponent;
}
