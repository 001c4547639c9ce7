import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lockRun } from '@alex/trainer';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { parseSchedule } from './schedule-option.js';
import { runCommand } from './testing/command.js';
import { png, writeImages } from './testing/images.js';

const directory = temporaryFolder();
const images = join(directory, 'images');
const begun = join(directory, 'begun');
let count = 0;

/** As a user might write it in a script that runs until training is finished. */
const given = ['--data', images, '--model', 'small', '--crop', '24', '--batch', '4', '--learning-rate', '0.02'];
const more = ['--scale-rate', '--warm-up', '1', '--tune', 'off', '--no-mirror'];
const command = (run: string) => ['train', '--run', run, ...given, ...more, '--resume'];

beforeAll(async () => {
  await writeImages(images, ['blue', 'red']);
  const { code, stderr } = await runCommand([...command(begun), '--steps', '4']);
  expect(code, stderr).toBe(0);
});

/** A copy of the interrupted run, which has done 4 steps; an epoch has 3. */
async function copy(): Promise<string> {
  const run = join(directory, `run${count++}`);
  await cp(begun, run, { recursive: true });
  return run;
}

async function recipeOf(run: string) {
  return JSON.parse(await readFile(join(run, 'config.json'), 'utf8')).recipe;
}

/** The learning rates of the steps so far. */
async function ratesOf(run: string): Promise<number[]> {
  const lines = (await readFile(join(run, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line)).flatMap((line) => (line.split === 'train' ? [line.learningRate] : []));
}

describe('train --resume', () => {
  it('accepts the original command, and changes nothing', async () => {
    const run = await copy();
    const before = await readFile(join(run, 'config.json'));
    const { code, stdout, stderr } = await runCommand([...command(run), '--steps', '4']);
    expect(code, stderr).toBe(0);
    expect(stdout).not.toContain('Changed by hand');
    expect(await readFile(join(run, 'config.json'))).toEqual(before);
  });

  it('changes the learning rate by hand, and records it', async () => {
    const run = await copy();
    const rates = await ratesOf(run);
    const last = rates.at(-1)!;
    const resumed = await runCommand(['train', '--run', run, '--resume', '--learning-rate', '0.001', '--steps', '6']);
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(resumed.stdout).toMatch(
      /Changed by hand from step 4 on: learning rate 0\.001 instead of [\d.]+, 6 instead of 4 steps in all\./,
    );
    expect((await ratesOf(run)).slice(0, 4)).toEqual(rates);
    expect((await ratesOf(run))[4]).toBeCloseTo(0.001, 12);
    expect(last).not.toBeCloseTo(0.001, 6);
    expect((await recipeOf(run)).changes).toMatchObject([{ step: 4, steps: { before: 4, after: 6 } }]);
    const reported = await runCommand(['report', '--run', run]);
    expect(reported.code, reported.stderr).toBe(0);
    const report = await readFile(join(run, 'report.html'), 'utf8');
    expect(report).toContain('from step 4 on: learning rate 0.001 instead of');
  });

  it('changes the schedule by hand', async () => {
    const run = await copy();
    const last = (await ratesOf(run)).at(-1)!;
    const resumed = await runCommand(['train', '--run', run, '--resume', '--schedule', 'constant', '--steps', '7']);
    expect(resumed.code, resumed.stderr).toBe(0);
    const rates = (await ratesOf(run)).slice(4);
    expect(rates).toHaveLength(3);
    expect(new Set(rates.map((rate) => rate.toPrecision(9))).size).toBe(1);
    expect(rates[0]).toBeLessThanOrEqual(last * 1.0001);
  });

  it('warns before training that a schedule over the whole run jumps back, and keeps the old length on request', async () => {
    const [longer, kept] = [await copy(), await copy()];
    const resumed = await runCommand(['train', '--run', longer, '--resume', '--epochs', '4']);
    expect(resumed.code, resumed.stderr).toBe(0);
    const said = /learning rate rises from ([\d.]+) to ([\d.]+) here\. .*add (--schedule-epochs [\d.]+)\./.exec(
      resumed.stdout,
    );
    expect(said).not.toBeNull();
    expect(resumed.stdout.indexOf(said![0])).toBeLessThan(resumed.stdout.indexOf('step 12/12'));
    expect((await ratesOf(longer))[4]).toBeGreaterThan((await ratesOf(longer))[3]!);
    const asked = await runCommand(['train', '--run', kept, '--resume', '--epochs', '4', ...said![3]!.split(' ')]);
    expect(asked.code, asked.stderr).toBe(0);
    expect(asked.stdout).not.toContain('rises from');
    const rates = await ratesOf(kept);
    expect(rates.slice(4).every((rate) => rate <= rates[3]! * 1.0001)).toBe(true);
  });

  it('keeps more checkpoints from now on', async () => {
    const run = await copy();
    const resumed = await runCommand([
      ...['train', '--run', run, '--resume', '--keep', '4', '--steps', '7', '--tune', 'off'],
    ]);
    expect(resumed.code, resumed.stderr).toBe(0);
    expect((await recipeOf(run)).keepCheckpoints).toBe(4);
    expect(await readdir(join(run, 'checkpoints'))).toContain('step-00000007.safetensors');
  });

  it('refuses changed data, says how they differ, and continues with them on request', async () => {
    const [own, run] = [join(directory, 'own'), join(directory, 'changing')];
    await writeImages(own, ['blue', 'red']);
    const begin = [
      'train',
      '--data',
      own,
      '--model',
      'small',
      '--crop',
      '24',
      '--batch',
      '4',
      '--run',
      run,
      '--steps',
      '2',
    ];
    expect((await runCommand(begin)).code).toBe(0);
    await rm(join(own, 'red', '1.png'));
    await rm(join(own, 'blue', '2.png'));
    const resume = ['train', '--run', run, '--resume', '--steps', '4'];
    const before = await readFile(join(run, 'config.json'));
    const refused = await runCommand(resume);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(
      /own: the data have changed since .*changing started: \d+ instead of \d+ \w+ images/,
    );
    expect(refused.stderr).toContain('--data-changed');
    expect(await readFile(join(run, 'config.json'))).toEqual(before);
    const allowed = await runCommand([...resume, '--data-changed']);
    expect(allowed.code, allowed.stderr).toBe(0);
    expect(allowed.stdout).toContain('It continues with the changed data.');
    // From now on, these are the run's data.
    expect((await runCommand(resume)).code).toBe(0);
    // The same data in another place.
    const moved = join(directory, 'moved');
    await cp(own, moved, { recursive: true });
    expect((await runCommand([...resume, '--data', moved])).code).toBe(0);
  });

  it('refuses images that were replaced by others of the same names', async () => {
    const [own, run] = [join(directory, 'replaced'), join(directory, 'replacing')];
    await writeImages(own, ['blue', 'red']);
    const sizes = ['--model', 'small', '--crop', '24', '--batch', '4', '--tune', 'off'];
    const begun = await runCommand(['train', '--data', own, '--run', run, '--steps', '1', ...sizes]);
    expect(begun.code, begun.stderr).toBe(0);
    const resume = ['train', '--run', run, '--resume', '--steps', '2', '--tune', 'off'];
    // All of them, so that it does not matter which are held out.
    for (const name of await readdir(join(own, 'red'))) await writeFile(join(own, 'red', name), png(9, 9, 9));
    const refused = await runCommand(resume);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain(
      'training images with the same names and other contents, validation images with the same names and other contents',
    );
    const allowed = await runCommand([...resume, '--data-changed']);
    expect(allowed.code, allowed.stderr).toBe(0);
    // A run of an older version knows names and labels only.
    const file = join(run, 'config.json');
    const config = JSON.parse(await readFile(file, 'utf8'));
    for (const which of ['train', 'validation']) delete config.data.fingerprint[which].content;
    await writeFile(file, JSON.stringify(config));
    for (const name of await readdir(join(own, 'red'))) await writeFile(join(own, 'red', name), png(7, 7, 7));
    expect((await runCommand([...resume.slice(0, -3), '3', '--tune', 'off'])).code).toBe(0);
  });

  it.each<[string, string[], RegExp]>([
    ['--data-changed', ['--data-changed'], /--data-changed has no effect: the data have not changed\./],
    ['--strategy', ['--strategy', 'data'], /--strategy data has no effect: there is only one adapter\./],
    ['--learning-rate', ['--learning-rate', '0.02', '--scale-rate'], /--learning-rate 0\.02 has no effect/],
    ['--run', ['--run', 'elsewhere'], /--run elsewhere is not used: --run .*begun\S* comes after it\./],
  ])('reports that %s has no effect', async (_, options, message) => {
    const resumed = await runCommand(['train', ...options, '--run', begun, '--resume', '--steps', '4']);
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(resumed.stdout).toMatch(message);
  });

  it('reports which fields of an edited recipe are not used, and refuses those that would change the network', async () => {
    const small = JSON.parse(await readFile(new URL('../recipes/small.json', import.meta.url), 'utf8'));
    const file = join(directory, 'edited.json');
    await writeFile(file, JSON.stringify({ ...small, learningRate: 0.5, keepCheckpoints: 9 }));
    const resumed = await runCommand(['train', '--run', begun, '--resume', '--recipe', file, '--no-mirror']);
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(resumed.stdout).toContain(
      `--recipe ${file}: its learningRate (0.5) is not used: the run continues with its own value, 0.0025.`,
    );
    expect(resumed.stdout).toContain(
      'its keepCheckpoints (9) is not used: the run continues with its own value, none.',
    );
    expect(resumed.stdout).not.toContain('images.mirror');
    expect(resumed.stdout).not.toContain('its momentum');
    await writeFile(file, JSON.stringify({ ...small, momentum: 0.5 }));
    const refused = await runCommand(['train', '--run', begun, '--resume', '--recipe', file]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/its momentum is 0\.5, but the run was started with 0\.9/);
  });

  it('starts a run that does not exist, and says so; without data, it says what is missing', async () => {
    const run = join(directory, 'new');
    const missing = await runCommand(['train', '--run', run, '--resume']);
    expect(missing.code).toBe(2);
    expect(missing.stderr).toMatch(/new: there is no run to resume here; to start one, give --data/);
    const sizes = ['--model', 'small', '--crop', '24', '--batch', '4', '--tune', 'off', '--steps', '1'];
    const unused = [
      '--data-changed',
      '--chunk',
      '2',
      '--no-mirror',
      '--no-random-crop',
      '--warm-up',
      '9',
      '--schedule',
      'step:0.1,7',
    ];
    const begins = await runCommand(['train', '--data', images, '--run', run, '--resume', ...sizes, ...unused]);
    expect(begins.code, begins.stderr).toBe(0);
    expect(begins.stdout).toContain(`${run}: there is no run to resume yet; a new one is started.`);
    expect(begins.stdout).toContain('--data-changed has no effect: a new run uses the data as they are.');
    expect(begins.stdout).toContain('--chunk has no effect: crops and flips, which a chunk shares, are not random.');
    expect(begins.stdout).toMatch(
      /--warm-up 9: the learning rate is never reached, because the run ends after 0\.\d+ epochs\./,
    );
    expect(begins.stdout).toMatch(/--schedule step:0\.1,7: at epoch 7 nothing changes, because the run ends after 0\./);
  });

  it('is refused before anything is computed if another process trains the run', async () => {
    const lock = await lockRun(begun);
    try {
      const refused = await runCommand(['train', '--run', begun, '--resume', '--steps', '9']);
      expect(refused.code).toBe(2);
      expect(refused.stderr).toMatch(/is being trained by another process \(process \d+ on .*\); wait for it, stop it/);
      expect(refused.stdout).toBe('');
    } finally {
      await lock.release();
    }
    // Nor does a refusal leave a lock behind.
    expect((await runCommand(['train', '--run', begun, '--resume', '--seed', '9'])).code).toBe(2);
    await (await lockRun(begun)).release();
    expect((await readdir(begun)).filter((name) => name.startsWith('.lock'))).toEqual([]);
  });

  it.each<[string, string[], RegExp]>([
    ['a switch', ['--no-colour'], /--no-colour cannot be changed during a run, which was started without it;/],
    [
      'fewer steps than it has taken',
      ['--steps', '3'],
      /has already taken 4 steps, more than its new length of 3; give at least 4/,
    ],
    ['a warm-up', ['--warm-up', '3'], /--warm-up 3 cannot be changed during a run, which was started with 1;/],
    [
      'patience',
      ['--patience', '3'],
      /--patience and --threshold only work with the schedule plateau, but this one is exponential/,
    ],
    ['a threshold', ['--threshold', '1%'], /--patience and --threshold only work with the schedule plateau/],
    [
      'other weights to start from',
      ['--from', 'elsewhere'],
      /--from .*elsewhere cannot be changed .*started without it;/,
    ],
    [
      'a scaled rate',
      ['--scale-rate'],
      /--scale-rate makes the learning rate 0\.00125, but the run was started with 0\.0025;/,
    ],
    [
      'another recipe',
      ['--recipe', 'paper'],
      /--recipe paper: its model\.variant is "paper", but the run was started with "small"/,
    ],
    ['flips', ['--no-random-crop'], /--no-random-crop cannot be changed .*started without it/],
    ['an unknown schedule', ['--schedule', 'cosine'], /--schedule cosine: give constant, plateau, step:30/],
    ['a truncated schedule', ['--schedule', '{"kind":'], /is not JSON/],
    ['a schedule with a wrong field', ['--schedule', '{"kind":"step"}'], /--schedule .*: factor is missing/],
  ])('refuses %s', async (_, options, message) => {
    const { code, stderr } = await runCommand(['train', '--steps', '5', ...options, '--run', begun, '--resume']);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

it.each([
  ['constant', { kind: 'step', factor: 1, epochs: [] }],
  ['plateau', { kind: 'plateau', factor: 0.1, patience: 5, threshold: 0.001, drops: 3 }],
  ['step:30,60,80', { kind: 'step', factor: 0.1, epochs: [30, 60, 80] }],
  ['exponential:250', { kind: 'exponential', factor: 250, steps: 100 }],
  ['{"kind": "table", "factors": [[0, 1]]}', { kind: 'table', factors: [[0, 1]] }],
])('--schedule %s', (text, schedule) => {
  expect(parseSchedule(text)).toEqual(schedule);
});

it.each([
  'step',
  'step:',
  'step:a',
  'plateau:3',
  'constant:1',
  'exponential',
  'exponential:0',
  'exponential:0x10',
  'exponential:1e999',
  'step:1,,2',
  'step:,5',
  '',
])('--schedule %j is refused', (text) => {
  expect(() => parseSchedule(text)).toThrow(/give constant, plateau/);
});
