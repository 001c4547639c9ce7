import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../../temporary.base.js';
import { runCommand } from '../testing/command.js';
import { metricsOf, originOf, writeRun } from '../testing/written-run.js';
import { valueInWords } from './differences.js';
import { namesOf } from './figures.js';

const directory = temporaryFolder();

beforeAll(async () => {
  const fingerprint = (hash: string) => ({ train: { images: 90, hash }, validation: { images: 100, hash } });
  const a = await writeRun(join(directory, 'runs', 'a'), { data: { fingerprint: fingerprint('aa') } });
  a.beginStretch(originOf(0)).end({ step: 4, outcome: 'finished' });
  const b = await writeRun(join(directory, 'runs', 'b'), {
    data: { fingerprint: fingerprint('aa') },
    metrics: metricsOf(8),
    recipe: { steps: 8, learningRate: 0.02, weightDecay: 0, schedule: { kind: 'step', factor: 0.1, epochs: [] } },
  });
  b.beginStretch(originOf(0, { version: '0.4.0' })).end({ step: 8, outcome: 'finished' });
  await writeRun(join(directory, 'other', 'a'), {
    model: { variant: 'cifar-13pct' },
    data: { name: 'others', classes: ['x', 'y'], fingerprint: fingerprint('bb') },
    metrics: metricsOf(1),
    hasFinished: false,
  });
  await writeRun(join(directory, 'new'), { metrics: [], hasFinished: false });
});

const compare = (...args: string[]) => runCommand(['compare', ...args], { directory });

describe('compare', () => {
  it('prints figures, errors at the same epochs, and differences', async () => {
    const { code, stdout, stderr } = await compare('runs/a', 'runs/b');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.split('\n').map((line) => line.trim().split(/\s{2,}/));
    const row = (name: string) => lines.find(([first]) => first === name);
    expect(row('run')).toEqual(['run', 'a', 'b']);
    expect(row('progress')).toEqual(['progress', 'finished: 4 steps, 2 epochs', 'finished: 8 steps, 4 epochs']);
    // The best of a is 1/4, of b 1/8, of a hundred images each.
    expect(row('best top-1 error')).toEqual(['best top-1 error', '25.0% ± 4.3', '12.5% ± 3.3']);
    expect(row('last training loss')).toEqual(['last training loss', '0.500', '0.250']);
    // Four steps of ten images at twenty a second.
    expect(row('time in steps')).toEqual(['time in steps', '2s', '4s']);
    expect(row('1')).toEqual(['1', '50.0%', '50.0%']);
    expect(row('2')).toEqual(['2', '25.0%', '25.0%']);
    expect(row('recipe.learningRate')).toEqual(['recipe.learningRate', '0.01', '0.02']);
    expect(row('recipe.schedule.epochs')).toEqual(['recipe.schedule.epochs', '[3]', '[]']);
    expect(row('version')).toEqual(['version', '0.3.0', '0.4.0']);
    expect(stdout).not.toMatch(/recipe\.(batch|seed|momentum)|data\./);
  });

  it('returns the same to programs', async () => {
    const { code, stdout } = await compare('runs/a', 'runs/b', '--json');
    expect(code).toBe(0);
    const { runs, differences } = JSON.parse(stdout);
    expect(runs).toMatchObject([
      { run: 'runs/a', network: 'small', steps: 4, epochs: 2, best: { step: 4, top1Error: 0.25 }, secondsInSteps: 2 },
      { run: 'runs/b', steps: 8, lastEvaluation: { step: 8, loss: 3 / 8 }, imagesPerSecond: 20, trainingLoss: 0.25 },
    ]);
    expect(differences).toContainEqual({ setting: 'recipe.weightDecay', values: [0.0005, 0] });
    expect(differences.map(({ setting }: { setting: string }) => setting)).toEqual([
      'recipe.steps',
      'recipe.learningRate',
      'recipe.schedule.epochs',
      'recipe.weightDecay',
      'version',
    ]);
  });

  it('warns if runs cannot be compared', async () => {
    const { code, stdout } = await compare('runs/a', 'other/a', 'new');
    expect(code).toBe(0);
    expect(stdout).toContain('They were validated on different images, so their errors cannot be compared directly.');
    expect(stdout).toContain('They have different numbers of classes.');
    expect(stdout).toContain('other/a: unfinished: 1 of 4 steps, 0.5 epochs.');
    expect(stdout).toContain('new: no steps yet, of 4.');
    expect(stdout).not.toContain('at the same epochs');
    expect(stdout).toMatch(/run +runs\/a +other\/a +new\n/);
  });

  it('draws the curves into one file, over the requested axis', async () => {
    const { code, stdout } = await compare('runs/a', 'runs/b', '--by', 'time', '--to', 'c.html');
    expect(code).toBe(0);
    expect(stdout).toContain('The curves are in c.html.');
    const html = await readFile(join(directory, 'c.html'), 'utf8');
    expect(html).toContain('<h1>a and b</h1>');
    expect(html).toContain('seconds in steps');
    expect(html).toMatch(/<td>25\.0% ± 4\.3<\/td><td>12\.5% ± 3\.3<\/td>/);
    expect(Buffer.byteLength(html)).toBeLessThan(1e6);
  });

  it('accepts a single run, and one without any step', async () => {
    const { code, stdout } = await compare('new', '--to', 'one.html');
    expect(code).toBe(0);
    expect(stdout).not.toContain('Differences');
    expect(await readFile(join(directory, 'one.html'), 'utf8')).toContain('There are no steps yet.');
  });

  it('refuses wrong use before it reads any run', async () => {
    expect(await compare('runs/a', './runs/a')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is given twice'),
    });
    expect(await compare('runs/a', 'nowhere')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('there is no run here'),
    });
    expect(await compare()).toMatchObject({ code: 2, stderr: expect.stringContaining("'run'") });
    expect(await compare('runs/a', '--by', 'weeks')).toMatchObject({ code: 2 });
    expect(await compare('runs/a', '--to', 'no/such/folder.html')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no/such/folder.html'),
    });
  });
});

it('names runs by the last parts of their paths, as few as needed', () => {
  expect(namesOf(['runs/a', './runs/b/'])).toEqual(['a', 'b']);
  expect(namesOf(['x/runs/a', 'y/runs/a', 'b'])).toEqual(['x/runs/a', 'y/runs/a', 'b']);
  expect(namesOf(['.', '..'])).toEqual(['.', '..']);
});

it('truncates long values after the first difference', () => {
  const [a, b] = [`${'same '.repeat(40)}left`, `${'same '.repeat(40)}right`];
  expect(valueInWords(a, [a, b])).toMatch(/^….*same left$/);
  expect(valueInWords(b, [a, b])).toMatch(/right$/);
  expect(valueInWords('x'.repeat(500), ['x'.repeat(500), 'y'])).toHaveLength(73);
  expect(valueInWords(undefined, [])).toBe('—');
  expect(valueInWords(['a', 'b'], [])).toBe('a, b');
});
