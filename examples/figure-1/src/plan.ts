import { type Curve, epochsTo } from './curve.js';
import type { Activation } from './network.js';
import { bestOf, firstRate, nextRate, ranked, searchEpochs } from './search.js';

/** A run that does not reach the target by then is stopped. */
export const mostEpochs = 60;
export const seeds = [1, 2, 3];
/**
 * The number of searched rates that are trained to the target: the best one after a few epochs need not be the best in the end.
 */
const finalists = 2;

/** A run, and how far to train it. */
export interface Task {
  readonly activation: Activation;
  readonly learningRate: number;
  readonly seed: number;
  /** To the target, or this many epochs, whichever comes first. */
  readonly epochs: number;
}

/** Whether a curve is finished: it reached the target, diverged, or took too long. */
export function isDone({ errors, divergedAt }: Curve, epochs: number = mostEpochs): boolean {
  return divergedAt !== undefined || errors.length >= epochs || epochsTo(errors) !== undefined;
}

/**
 * The next task, the most valuable first: every activation once at the usual rate, to get a ratio early; then the
 * searches, the best rates to the target, and the other seeds at the best rate.
 *
 * @param curves the curves so far
 * @returns undefined if everything is done
 */
export function nextTask(activations: readonly Activation[], curves: readonly Curve[]): Task | undefined {
  for (const candidates of [firstTask, searchTask, finalTask, seedTask]) {
    for (const activation of activations) {
      const own = curves.filter((curve) => curve.activation === activation);
      const task = candidates(activation, own);
      if (task) return task;
    }
  }
  return undefined;
}

const [firstSeed = 1, ...otherSeeds] = seeds;

function firstTask(activation: Activation, curves: readonly Curve[]): Task | undefined {
  return unlessDone({ activation, learningRate: firstRate, seed: firstSeed, epochs: mostEpochs }, curves);
}

function searchTask(activation: Activation, curves: readonly Curve[]): Task | undefined {
  const learningRate = nextRate(ofFirstSeed(curves));
  return learningRate === undefined ? undefined : { activation, learningRate, seed: firstSeed, epochs: searchEpochs };
}

function finalTask(activation: Activation, curves: readonly Curve[]): Task | undefined {
  return ranked(ofFirstSeed(curves))
    .slice(0, finalists)
    .map(({ learningRate }) => unlessDone({ activation, learningRate, seed: firstSeed, epochs: mostEpochs }, curves))
    .find((task) => task !== undefined);
}

function seedTask(activation: Activation, curves: readonly Curve[]): Task | undefined {
  const { learningRate } = bestOf(ofFirstSeed(curves));
  return otherSeeds
    .map((seed) => unlessDone({ activation, learningRate, seed, epochs: mostEpochs }, curves))
    .find((task) => task !== undefined);
}

function unlessDone(task: Task, curves: readonly Curve[]): Task | undefined {
  const curve = curves.find(({ learningRate, seed }) => learningRate === task.learningRate && seed === task.seed);
  return curve && isDone(curve, task.epochs) ? undefined : task;
}

function ofFirstSeed(curves: readonly Curve[]): Curve[] {
  return curves.filter(({ seed }) => seed === firstSeed);
}
