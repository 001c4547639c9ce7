import { appendFile, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, type HostTensor } from '@alex/tensor';
import { beforeEach, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import type { Checkpoint } from './checkpoint.js';
import { CheckpointFolder } from './checkpoint-folder.js';
import { readSafetensors, writeSafetensors } from './safetensors.js';

const parent = temporaryFolder();
let folder: CheckpointFolder;
let count = 0;
beforeEach(() => {
  folder = new CheckpointFolder(join(parent, `${count++}`));
});

const values = (...data: number[]): HostTensor => ({ shape: [data.length], data: Float32Array.from(data) });
const checkpoint = (step: number, top1Error?: number): Checkpoint => ({
  step,
  parameters: { 'conv1.weight': values(step, 1) },
  optimizerState: { 'conv1.weight.velocity': values(step, 2) },
  rateFactor: 1,
  ...(top1Error !== undefined && { validation: { loss: 1, top1Error, top5Error: 0 } }),
});
const file = (step: number) => join(folder.path, `step-0000000${step}.safetensors`);

/** The checkpoint to continue from, and the messages about those that are not used. */
async function restored(options: { before?: number } = {}) {
  const problems: string[] = [];
  let used: Checkpoint | undefined;
  const step = await folder.restore(
    (found) => {
      used = found;
    },
    { ...options, onProblem: (problem) => problems.push(problem) },
  );
  return { step, used, problems };
}

describe('CheckpointFolder', () => {
  it('stores parameters under their own names, momentum, and the state of the run', async () => {
    await folder.save({ ...checkpoint(3), notes: { epoch: '2' } });
    const { tensors, metadata } = await readSafetensors(file(3));
    expect(tensors).toEqual({ 'conv1.weight': values(3, 1), 'conv1.weight.velocity': values(3, 2) });
    expect(metadata).toEqual({
      epoch: '2',
      format: 'alex-checkpoint',
      version: '1',
      step: '3',
      rateFactor: '1',
      optimizerState: '["conv1.weight.velocity"]',
    });
    expect(await restored()).toEqual({ step: 3, used: checkpoint(3), problems: [] });
  });

  it('keeps the newest and the best', async () => {
    folder = new CheckpointFolder(folder.path, 3);
    for (const [step, error] of [[1], [2, 0.5], [3, 0.25], [4], [5, 0.5], [6], [7, 0.25]] as const) {
      await folder.save(checkpoint(step, error));
    }
    expect(await folder.steps()).toEqual([7, 6, 5]);
    expect((await readdir(folder.path)).sort()).toEqual([
      'best.safetensors',
      ...[5, 6, 7].map((step) => `step-0000000${step}.safetensors`),
    ]);
    expect((await readSafetensors(join(folder.path, 'best.safetensors'))).metadata['step']).toBe('3');
    expect((await restored({ before: 6 })).step).toBe(5);
    expect((await restored({ before: 5 })).step).toBeUndefined();
  });

  it.each<[string, (path: string) => Promise<void>, RegExp]>([
    ['torn', (path) => truncate(path, 20), /ends inside its header/],
    ['longer', (path) => appendFile(path, 'more'), /4 bytes follow/],
    ['foreign', (path) => writeFile(path, 'GIF89a, and then some'), /does not begin like/],
    ['of other tensors', (path) => writeSafetensors(path, { a: values(1) }), /is not a checkpoint/],
    [
      'newer',
      (path) => writeSafetensors(path, { a: values(1) }, { format: 'alex-checkpoint', version: '2', step: '2' }),
      /is a checkpoint of version 2, but only 1 is supported/,
    ],
    [
      'damaged',
      async (path) => {
        const bytes = await readFile(path);
        bytes[bytes.length - 1]! ^= 1;
        await writeFile(path, bytes);
      },
      /checksum/,
    ],
  ])('names a file that is %s, sets it aside and uses the previous one', async (_, spoil, message) => {
    await folder.save(checkpoint(1));
    await folder.save(checkpoint(2));
    await spoil(file(2));
    const { step, used, problems } = await restored();
    expect({ step, used }).toEqual({ step: 1, used: checkpoint(1) });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(file(2));
    expect(problems[0]).toMatch(message);
    expect(problems[0]).toMatch(/set aside, and the checkpoint of step 1 is used instead/);
    expect((await readdir(folder.path)).sort()).toEqual([
      'step-00000001.safetensors',
      'step-00000002.safetensors.unused',
    ]);
    expect((await restored()).problems).toEqual([]);
  });

  it('refuses to start again if there are checkpoints but none is usable, and leaves them unchanged', async () => {
    await folder.save(checkpoint(1));
    await folder.save(checkpoint(2));
    for (const step of [1, 2]) await truncate(file(step), 9);
    const before = await readdir(folder.path);
    await expect(restored()).rejects.toThrow(CheckpointError);
    await expect(restored()).rejects.toThrow(/step-00000002.*step-00000001/);
    expect(await readdir(folder.path)).toEqual(before);
  });

  it("uses the previous one if one does not fit, and passes on errors that are not the file's fault", async () => {
    await folder.save(checkpoint(1));
    await folder.save(checkpoint(2));
    const use = (found: Checkpoint) => {
      if (found.step === 2) throw new CheckpointError('conv1.weight must have another shape');
    };
    await expect(folder.restore(fail)).rejects.toThrow('no fault');
    expect(await folder.restore(use)).toBe(1);
  });

  it('ignores a file whose writing was interrupted', async () => {
    expect((await restored()).step).toBeUndefined();
    await folder.save(checkpoint(1));
    await writeFile(`${file(2)}.tmp`, 'half');
    expect((await restored()).step).toBe(1);
    await folder.removeUnfinished();
    expect(await readdir(folder.path)).toEqual(['step-00000001.safetensors']);
  });
});

function fail(): never {
  throw new Error('no fault of the file');
}
