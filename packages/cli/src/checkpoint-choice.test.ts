import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { runCommand } from './testing/command.js';
import { writeImages } from './testing/images.js';

const directory = temporaryFolder();
const run = join(directory, 'run');
const images = join(directory, 'images');
const image = join(images, 'red', '1.png');

/** A run of 12 steps, evaluated every 3, without its final weights, as if it had been stopped. */
beforeAll(async () => {
  await writeImages(images, ['blue', 'red']);
  const sizes = ['--crop', '24', '--batch', '4', '--steps', '12', '--tune', 'off', '--keep', '9'];
  const every = ['--evaluate-every', '3', '--checkpoint-every', '3'];
  const trained = await runCommand(['train', '--data', images, '--model', 'small', '--run', run, ...sizes, ...every]);
  expect(trained.code, trained.stderr).toBe(0);
});

async function evaluated(...options: string[]) {
  const { code, stdout, stderr } = await runCommand(['evaluate', '--run', run, '--json', ...options]);
  expect(code, stderr).toBe(0);
  return { ...JSON.parse(stdout), said: stderr };
}

/** The evaluation that the training logged at a step. */
async function measured(step: number): Promise<{ readonly loss: number; readonly top1Error: number }> {
  const lines = (await readFile(join(run, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line)).find((line) => line.split === 'val' && line.step === step);
}

describe('the weights that are used', () => {
  it('are those of the finished training, if it has finished', async () => {
    const { learnt, loss, said } = await evaluated();
    expect(learnt).toEqual({ kind: 'finished', step: 12 });
    expect(loss).toBeCloseTo((await measured(12)).loss, 5);
    expect(said).not.toMatch(/checkpoint|weights of/);
  });

  it.each([3, 6])('are those of step %i on request', async (step) => {
    const { learnt, loss, said } = await evaluated('--checkpoint', `${step}`);
    expect(learnt).toEqual({ kind: 'checkpoint', step });
    expect(loss).toBeCloseTo((await measured(step)).loss, 5);
    expect(said).toContain(`${run}: the weights of step ${step} are used.`);
  });

  it('are the best on request: the lowest error, then the lowest loss', async () => {
    const all = await Promise.all([3, 6, 9, 12].map(async (step) => ({ step, ...(await measured(step)) })));
    const [best] = all.sort((one, other) => one.top1Error - other.top1Error || one.loss - other.loss);
    const { learnt, loss } = await evaluated('--checkpoint', 'best');
    expect(learnt).toEqual({ kind: 'best', step: best!.step });
    expect(loss).toBeCloseTo(best!.loss, 5);
  });

  it('an ensemble of one run at two steps cannot be requested, but each run of an ensemble reports what it used', async () => {
    const { code, stdout, stderr } = await runCommand([
      ...['evaluate', '--json', '--run', `${run},${run}`],
      ...['--checkpoint', 'last'],
    ]);
    expect(code, stderr).toBe(0);
    const { members } = JSON.parse(stdout);
    expect(members.map(({ learnt }: { learnt: unknown }) => learnt)).toEqual([
      { kind: 'checkpoint', step: 12 },
      { kind: 'checkpoint', step: 12 },
    ]);
  });

  it.each([
    ['7', 1, /has no checkpoint of step 7; there are checkpoints of the steps 12, 9, 6, 3/],
    ['newest', 2, /It must be best, last, or the number of a step/],
  ])('%s is refused', async (which, code, message) => {
    const refused = await runCommand(['evaluate', '--run', run, '--checkpoint', which]);
    expect(refused.code).toBe(code);
    expect(refused.stderr).toMatch(message);
  });

  it('are those of the newest checkpoint of an unfinished run, with a message', async () => {
    const weights = join(run, 'weights.safetensors');
    await rm(weights);
    const { learnt, said } = await evaluated();
    expect(learnt).toEqual({ kind: 'checkpoint', step: 12 });
    expect(said).toContain('has not finished; the weights of its newest checkpoint, of step 12, are used.');
    const classified = await runCommand(['classify', image, '--run', run, '--checkpoint', 'best', '--json']);
    expect(classified.code, classified.stderr).toBe(0);
    expect(JSON.parse(classified.stdout)[0].labels).toHaveLength(2);
    const reported = await runCommand(['report', '--run', run]);
    expect(reported.code, reported.stderr).toBe(0);
    expect(reported.stdout).toContain('of step 12, are used');
    expect(await readFile(join(run, 'report.html'), 'utf8')).toContain('Predictions');
    // Another run may also start from it.
    const sizes = ['--crop', '24', '--batch', '4', '--steps', '1', '--tune', 'off'];
    const from = ['--data', images, '--model', 'small', '--from', run];
    const tuned = await runCommand(['train', '--run', join(directory, 'tuned'), ...from, ...sizes]);
    expect(tuned.code, tuned.stderr).toBe(0);
    expect(tuned.stdout).toContain(`${run}: has not finished; starting from its newest checkpoint, of step 12.`);
  });
});
