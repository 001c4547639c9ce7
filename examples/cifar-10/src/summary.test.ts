import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Metrics } from '@alex/trainer';
import { describe, expect, it } from 'vitest';
import { type RunNotes, readSummaries, summarize } from './summary.js';

/** Two epochs of two steps on four fifths, then two of three on all images. */
const notes: RunNotes = {
  net: 'cifar-13pct',
  seed: 2,
  adapters: ['a', 'b'],
  stages: [
    { images: 'four-fifths', epochs: 2, stepsPerEpoch: 2, end: 4 },
    { images: 'all', epochs: 2, stepsPerEpoch: 3, end: 10 },
  ],
};

function line(step: number, top1Error: number, split: 'train' | 'val' = 'train'): Metrics {
  return { step, epoch: 0, split, loss: 1.23456, top1Error, top5Error: 0, learningRate: 0.001, imagesPerSecond: 64 };
}

const metrics = [
  ...[line(1, 0.9), line(2, 0.8), line(3, 0.7), line(4, 0.6), line(4, 0.5, 'val')],
  ...[line(5, 0.5), line(6, 0.4), line(7, 0.3), line(7, 0.35, 'val'), line(8, 0.2)],
];

describe('summarize', () => {
  it('counts epochs by stage, and says which images were held out', () => {
    const { epochs, wholeEpochs, validations, seconds, adapter } = summarize(notes, metrics);
    expect({ epochs, wholeEpochs, seconds, adapter }).toEqual({
      ...{ epochs: 3.33, wholeEpochs: 4, seconds: 16, adapter: 'a and b' },
    });
    expect(validations).toEqual([
      { epoch: 2, images: 'four-fifths', error: 0.5, loss: 1.2346, trainingError: 0.75 },
      { epoch: 3, images: 'all', error: 0.35, loss: 1.2346, trainingError: 0.4 },
    ]);
  });

  it('records which weights were tested', () => {
    const evaluation = { views: 10, images: 10_000, top1Error: 0.126, loss: 0.42391, learnt: { step: 10 } };
    expect(summarize(notes, metrics, evaluation).test).toEqual({
      ...{ epochs: 4, views: 10, images: 10_000, error: 0.126, loss: 0.4239 },
    });
  });

  it('summarizes a run that has only started', () => {
    expect(summarize(notes, [])).toMatchObject({ epochs: 0, validations: [], seconds: 0 });
  });
});

describe('readSummaries', () => {
  it('omits notes without a run, and is empty if there is no folder', async () => {
    const runs = await mkdtemp(join(tmpdir(), 'alex-cifar-10-'));
    try {
      await writeFile(join(runs, 'cifar-13pct-seed2.json'), JSON.stringify(notes));
      expect(await readSummaries(runs)).toEqual([]);
      expect(await readSummaries(join(runs, 'none'))).toEqual([]);
    } finally {
      await rm(runs, { recursive: true });
    }
  });
});
