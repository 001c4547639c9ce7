import type { Metrics } from '@alex/trainer';
import type { Activation } from './network.js';

/** The training error at which the paper compares: a quarter of the images. */
export const target = 0.25;

/** The stored summary of a run: enough for the figure, the table and their check. */
export interface Curve {
  readonly activation: Activation;
  readonly learningRate: number;
  readonly seed: number;
  readonly adapter: string;
  readonly stepsPerEpoch: number;
  /** Mean training error of each whole epoch; empty if it diverged before the first one ended. */
  readonly errors: readonly number[];
  /** The step at which the loss was no longer finite, or exploded. */
  readonly divergedAt?: number;
  /** Time in steps, including the effect of other work on the machine. */
  readonly seconds: number;
}

/**
 * The mean training error of each whole epoch. An image counts as it was classified before the training step that used it, which
 * is what the 2012 code logs as training error. It costs nothing, and every image counts once.
 */
export function errorsByEpoch(metrics: readonly Metrics[], stepsPerEpoch: number): number[] {
  const steps = metrics.filter(({ split }) => split === 'train');
  const epochs = Math.floor(steps.length / stepsPerEpoch);
  return Array.from({ length: epochs }, (_, epoch) => {
    const errors = steps.slice(epoch * stepsPerEpoch, (epoch + 1) * stepsPerEpoch).map(({ top1Error }) => top1Error);
    return errors.reduce((sum, error) => sum + error, 0) / stepsPerEpoch;
  });
}

/**
 * The epoch at which a curve crosses an error, by linear interpolation. An epoch's mean belongs to the epoch's middle; the curve
 * starts at the error of guessing one of ten classes.
 *
 * @returns undefined if the curve does not reach the error
 */
export function epochsTo(errors: readonly number[], error: number = target): number | undefined {
  const points = [{ epoch: 0, error: 0.9 }, ...errors.map((mean, index) => ({ epoch: index + 0.5, error: mean }))];
  const after = points.findIndex((point) => point.error <= error);
  const [from, to] = [points[after - 1], points[after]];
  if (!from || !to) return undefined;
  return from.epoch + ((from.error - error) / (from.error - to.error)) * (to.epoch - from.epoch);
}
