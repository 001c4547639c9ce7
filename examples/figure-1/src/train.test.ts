import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { alexnet } from '@alex/model-alexnet';
import { testGpu } from '@alex/tensor/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Curve } from './curve.js';
import { type Activation, activations, figure1Network } from './network.js';
import type { Task } from './plan.js';
import { brightness } from './testing.js';
import { advance, readCurves, type Setting } from './train.js';

let runs: string;
beforeEach(async () => {
  runs = await mkdtemp(join(tmpdir(), 'alex-figure-1-'));
});
afterEach(() => rm(runs, { recursive: true }));

const taskOf = (task: Partial<Task> = {}): Task => ({
  ...{ activation: 'relu', learningRate: 0.001, seed: 1, epochs: 3, ...task },
});

async function settingOf(more: Partial<Setting> = {}): Promise<Setting> {
  return { gpu: await testGpu(), dataset: brightness, runs, batch: 8, ...more };
}

const comparable = ({ seconds: _, ...curve }: Curve) => curve;

describe('figure1Network', () => {
  it.each(Object.keys(activations) as Activation[])(
    'has the layers of cifar-19pct, with %s between them',
    (activation) => {
      const [own, published] = [figure1Network(activation), alexnet({ variant: 'cifar-19pct' })];
      expect(own.parameterCount).toBe(89_578);
      expect(own.multiplyAdds).toBe(published.multiplyAdds);
      const learned = (network: typeof own) =>
        network.layers.flatMap(({ parameters }) =>
          parameters.map(({ path, shape, initial }) => ({ path, shape, initial })),
        );
      expect(learned(own)).toEqual(learned(published));
    },
  );
});

describe('advance', () => {
  it('trains the given epochs, and records the errors and the adapter', async () => {
    const setting = await settingOf();
    const heard: number[] = [];
    const task = taskOf({ learningRate: 1e-7 });
    const curve = await advance(task, { ...setting, onEpoch: ({ errors }) => heard.push(errors.length) });
    expect(curve).toMatchObject({ activation: 'relu', learningRate: 1e-7, seed: 1, stepsPerEpoch: 8 });
    expect(curve.adapter).toBe(setting.gpu.description.name);
    expect(curve.errors).toHaveLength(3);
    expect(heard).toEqual([1, 2, 3]);
    expect(await readCurves(runs)).toEqual([curve]);
  });

  it('ends when the target is reached, and does nothing afterwards', async () => {
    const setting = await settingOf();
    const curve = await advance(taskOf({ epochs: 60 }), setting);
    expect(curve.errors.at(-1)).toBeLessThanOrEqual(0.25);
    expect(curve.errors.slice(0, -1).every((error) => error > 0.25)).toBe(true);
    const [name] = await readdir(runs);
    const before = await readFile(join(runs, name!, 'metrics.jsonl'), 'utf8');
    expect(await advance(taskOf({ epochs: 60 }), setting)).toEqual(curve);
    expect(await readFile(join(runs, name!, 'metrics.jsonl'), 'utf8')).toBe(before);
  });

  it('gives the same curve if it was stopped and continued, like a search and its final run', async () => {
    const setting = await settingOf();
    const task = taskOf({ activation: 'tanh', learningRate: 1e-5 });
    const whole = await advance(task, { ...setting, runs: join(runs, 'whole') });
    const parts = { ...setting, runs: join(runs, 'parts') };
    expect((await advance({ ...task, epochs: 1 }, parts)).errors).toEqual(whole.errors.slice(0, 1));
    const stop = new AbortController();
    await advance(task, { ...parts, signal: stop.signal, onEpoch: () => stop.abort() });
    expect(comparable(await advance(task, parts))).toEqual(comparable(whole));
  });

  it('takes a divergence for a result, which stays', async () => {
    const setting = await settingOf();
    const task = taskOf({ learningRate: 1e4, epochs: 60 });
    const curve = await advance(task, setting);
    expect(curve.divergedAt).toBeGreaterThan(0);
    expect(await advance(task, setting)).toEqual(curve);
  });
});

describe('readCurves', () => {
  it('is empty if there is no folder', async () => {
    expect(await readCurves(join(runs, 'none'))).toEqual([]);
  });
});
