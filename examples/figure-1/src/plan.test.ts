import { describe, expect, it } from 'vitest';
import { type Curve, epochsTo } from './curve.js';
import type { Activation } from './network.js';
import { isDone, mostEpochs, nextTask, seeds, type Task } from './plan.js';
import { fallingCurve } from './testing.js';

/** How fast errors fall, by activation and rate: ReLU is best at 0.002, tanh at 0.001. */
const shares: Record<string, Record<number, number>> = {
  relu: { 0.0005: 0.1, 0.001: 0.15, 0.002: 0.2, 0.004: 0.12 },
  tanh: { 0.0005: 0.02, 0.001: 0.03, 0.002: 0.025 },
};

function trained({ activation, learningRate, seed, epochs }: Task): Curve {
  const whole = fallingCurve(activation, { learningRate, seed, epochs, share: shares[activation]![learningRate]! });
  const end = Array.from(whole.errors.keys()).find((epoch) => epochsTo(whole.errors.slice(0, epoch + 1)) !== undefined);
  return end === undefined ? whole : { ...whole, errors: whole.errors.slice(0, end + 1) };
}

/** Follows the plan until nothing is left. */
function carriedOut(compared: readonly Activation[]): { tasks: Task[]; curves: Curve[] } {
  const tasks: Task[] = [];
  let curves: Curve[] = [];
  for (let task = nextTask(compared, curves); task; task = nextTask(compared, curves)) {
    tasks.push(task);
    const curve = trained(task);
    curves = [...curves.filter((one) => !isSameRun(one, curve)), curve];
  }
  return { tasks, curves };
}

function isSameRun(one: Curve, other: Curve): boolean {
  return one.activation === other.activation && one.learningRate === other.learningRate && one.seed === other.seed;
}

const said = ({ activation, learningRate, seed, epochs }: Task) => `${activation} ${learningRate} ${seed} ${epochs}`;

describe('nextTask', () => {
  it('gets a first ratio, then searches, then trains the best rates to the target, then the other seeds', () => {
    expect(carriedOut(['relu', 'tanh']).tasks.map(said)).toEqual([
      'relu 0.001 1 60',
      'tanh 0.001 1 60',
      'relu 0.002 1 3',
      'relu 0.004 1 3',
      'tanh 0.002 1 3',
      'tanh 0.0005 1 3',
      'relu 0.002 1 60',
      'tanh 0.002 1 60',
      'relu 0.002 2 60',
      'relu 0.002 3 60',
      'tanh 0.001 2 60',
      'tanh 0.001 3 60',
    ]);
  });

  it('ends with every seed at the best rate of each activation', () => {
    const { curves } = carriedOut(['relu', 'tanh']);
    const arrived = (activation: Activation, learningRate: number) =>
      curves.filter((curve) => curve.activation === activation && curve.learningRate === learningRate && isDone(curve));
    expect(arrived('relu', 0.002).map(({ seed }) => seed)).toEqual(seeds);
    expect(arrived('tanh', 0.001).map(({ seed }) => seed)).toEqual(seeds);
  });

  it('continues a run that was stopped on the way', () => {
    expect(nextTask(['relu'], [fallingCurve('relu', { epochs: 4, share: 0.05 })])).toEqual({
      ...{ activation: 'relu', learningRate: 0.001, seed: 1, epochs: mostEpochs },
    });
  });

  it('stops a run that takes too long, and one that diverged', () => {
    const slow = fallingCurve('relu', { epochs: mostEpochs, share: 0.001 });
    const diverged = fallingCurve('relu', { learningRate: 0.002, epochs: 1, divergedAt: 400 });
    expect(nextTask(['relu'], [slow, diverged])).toMatchObject({ learningRate: 0.0005 });
  });
});
