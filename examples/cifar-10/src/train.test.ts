import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkRunConfig, RunDirectory } from '@alex/trainer';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Net, netNamed } from './nets.js';
import type { Folders } from './stages.js';
import { readSummaries } from './summary.js';
import { advance, type Setting } from './train.js';

vi.mock('@alex/tensor', async (original) => ({
  ...(await original<typeof import('@alex/tensor')>()),
  openGpu: async () => ({ description: { name: 'test' }, dispose: () => undefined }),
}));

const folders: Folders = { all: { path: 'ALL', images: 256 }, 'four-fifths': { path: 'FOUR', images: 128 } };
const net: Net = {
  ...netNamed('cifar-13pct'),
  stages: [
    { images: 'four-fifths', epochs: 4, learningRate: 1e-3 },
    { images: 'all', epochs: 2 },
    { images: 'all', epochs: 1, learningRate: 1e-4 },
  ],
};

let runs: string;
/** The calls of the command, reduced to the essential words. */
let asked: string[];
/** The step at which training is stopped. */
let stopAt: number;

beforeEach(async () => {
  runs = await mkdtemp(join(tmpdir(), 'alex-cifar-10-'));
  asked = [];
  stopAt = Number.POSITIVE_INFINITY;
});
afterEach(() => rm(runs, { recursive: true }));

/** Replaces the command: it keeps checkpoints in the same way, but does not train. */
async function alexnet(args: readonly string[]): Promise<{ code: number; result: string }> {
  const option = (name: string) => args[args.indexOf(name) + 1]!;
  const path = option('--run');
  if (args[0] === 'evaluate') {
    const [step] = await (await RunDirectory.open(path)).checkpoints.steps();
    asked.push(`evaluate ${option('--data')} by ${option('--views')} at ${step}`);
    return { code: 0, result: JSON.stringify({ views: 10, images: 10, top1Error: 0.5, loss: 1, learnt: { step } }) };
  }
  const [wanted, rate] = [
    Number(option('--steps')),
    args.includes('--learning-rate') ? option('--learning-rate') : '-',
  ];
  asked.push(
    `train ${option('--data')} to ${wanted}, rate ${rate}${args.includes('--data-changed') ? ', changed' : ''}`,
  );
  const run = (await RunDirectory.exists(path))
    ? await RunDirectory.open(path)
    : await RunDirectory.create(path, config);
  const step = Math.min(wanted, stopAt);
  await run.checkpoints.save({ step, parameters: {}, optimizerState: {}, layerState: {} });
  return { code: step < wanted ? 130 : 0, result: '' };
}

const config = checkRunConfig({
  model: { variant: 'cifar-13pct', inputSize: 24 },
  data: { source: 'FOUR', name: 'test', classes: ['a', 'b'], height: 32, width: 32, channels: 3 },
  images: { crop: 'random', mirror: true, padding: 0, mean: [0, 0, 0], scale: 1 },
  recipe: {
    ...{ batch: 128, steps: 4, seed: 1, learningRate: 1e-3, schedule: { kind: 'step', factor: 1, epochs: [] } },
    ...{ momentum: 0.9, weightDecay: 0, evaluateEvery: 4, checkpointEvery: 4 },
  },
});

const settingOf = (): Setting => ({ folders, runs, alexnet, say: () => undefined });

describe('advance', () => {
  it('trains stage after stage, then tests', async () => {
    expect(await advance({ net, seed: 1 }, settingOf())).toBe(0);
    expect(asked).toEqual([
      'train FOUR to 4, rate 0.001',
      'train ALL to 8, rate -, changed',
      'train ALL to 10, rate 0.0001, changed',
      'evaluate ALL by 10 at 10',
    ]);
    expect(await readSummaries(runs)).toMatchObject([{ net: 'cifar-13pct', seed: 1, adapter: 'test', wholeEpochs: 7 }]);
  });

  it('repeats nothing', async () => {
    await advance({ net, seed: 1 }, settingOf());
    asked = [];
    expect(await advance({ net, seed: 1 }, settingOf())).toBe(0);
    expect(asked).toEqual([]);
  });

  it('resumes where it was stopped', async () => {
    stopAt = 6;
    expect(await advance({ net, seed: 1 }, settingOf())).toBe(130);
    expect(asked).toEqual(['train FOUR to 4, rate 0.001', 'train ALL to 8, rate -, changed']);
    stopAt = Number.POSITIVE_INFINITY;
    asked = [];
    expect(await advance({ net, seed: 1 }, settingOf())).toBe(0);
    expect(asked[0]).toBe('train ALL to 8, rate -, changed');
  });

  it('tests a part of a training run, and again at its end', async () => {
    expect(await advance({ net, seed: 1, epochs: 3 }, settingOf())).toBe(0);
    expect(await advance({ net, seed: 1 }, settingOf())).toBe(0);
    expect(await advance({ net, seed: 1, epochs: 3 }, settingOf())).toBe(0);
    expect(asked).toEqual([
      'train FOUR to 3, rate 0.001',
      'evaluate ALL by 10 at 3',
      'train FOUR to 4, rate 0.001',
      'train ALL to 8, rate -, changed',
      'train ALL to 10, rate 0.0001, changed',
      'evaluate ALL by 10 at 10',
    ]);
  });
});
