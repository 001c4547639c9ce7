import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DashboardEvents, dashboardFiles } from '@alex/report';
import { beforeAll, expect, it } from 'vitest';
import { temporaryFolder } from '../../../../temporary.base.js';
import { type RunningCommand, runCommand, startCommand, untilSaid } from '../testing/command.js';
import { writeImages } from '../testing/images.js';
import { writeConstantRecipe } from '../testing/recipe.js';
import { listenTo } from './testing.js';

const directory = temporaryFolder();
let images: string;
let recipe: string;
beforeAll(async () => {
  images = join(directory, 'images');
  await writeImages(images, ['blue', 'green', 'red']);
  recipe = await writeConstantRecipe(directory);
});

const training = (run: string, steps: number, ...more: string[]) =>
  ['train', '--data', images, '--recipe', recipe, '--crop', '24', '--batch', '1', '--run', run].concat(
    ['--steps', `${steps}`, '--evaluate-every', '20', '--tune', 'off'],
    more,
  );

/** The address of the page that a training prints. */
const addressOf = async (running: RunningCommand) => (await untilSaid(running, /Dashboard: (http:\S+)\n/))[1]!;

it('shows a training run, is found again by its page when the run resumes, and does not affect the run', async () => {
  const run = join(directory, 'run');
  const first = startCommand(training(run, 1_000_000, '--dashboard'));
  const url = await addressOf(first);
  const page = await listenTo(url);
  expect(await page.next('run')).toMatchObject({
    title: expect.stringMatching(/^small on .*images$/),
    steps: 1_000_000,
    batch: 1,
  });
  const shown = (await page.next('images')) as DashboardEvents['images'];
  // There are three validation images, fewer than eight.
  expect(shown.map(({ label }) => label).sort()).toEqual(['blue', 'green', 'red']);
  for (const { url } of shown) expect(url).toMatch(/^data:image\/(png|jpeg);base64,\w/);
  const { predictions } = (await page.next('predictions')) as DashboardEvents['predictions'];
  expect(predictions).toHaveLength(3);
  for (const guesses of predictions) {
    expect(guesses.map(({ label }) => label).sort()).toEqual(['blue', 'green', 'red']);
    expect(guesses.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 5);
  }
  const { url: filters, colourfulness = [] } = (await page.next('filters')) as DashboardEvents['filters'];
  // The base64 of a PNG file's signature.
  expect(filters).toMatch(/^data:image\/png;base64,iVBORw0KGgo/);
  // Two columns that are hardly trained: noise.
  expect(colourfulness.map((share) => Math.abs(share - 2 / 3) < 0.1)).toEqual([true, true]);
  expect(((await page.next('memory')) as DashboardEvents['memory']).liveBytes).toBeGreaterThan(0);
  // The events before and after the connection are together all lines of the metrics.
  const history = (await page.next('history')) as DashboardEvents['history'];
  const points = [(await page.next('points')) as DashboardEvents['points']];
  while (points.every(({ val }) => val.step.length === 0))
    points.push((await page.next('points')) as DashboardEvents['points']);
  const steps = [history, ...points].flatMap(({ train }) => train.step);
  expect(steps).toEqual(Array.from({ length: steps.length }, (_, i) => i + 1));
  const metrics = (await readFile(join(run, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
  const lines = metrics.map((line) => JSON.parse(line)).filter(({ split }) => split === 'train');
  const losses = [history, ...points].flatMap(({ train }) => train.loss);
  for (const [i, loss] of losses.entries()) expect(loss).toBeCloseTo(lines[i].loss, 3);

  first.process.kill('SIGTERM');
  expect((await first.ended).code).toBe(143);
  await page.ended;
  const stopped = (await readFile(join(run, 'metrics.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const end = Math.max(...stopped.map(({ step }) => step)) + 10;
  const second = startCommand(training(run, end, '--dashboard', '--resume'));
  expect(await addressOf(second)).toBe(url);
  const again = await listenTo(url);
  const before = (await again.next('history')) as DashboardEvents['history'];
  expect(before.train.step.length + before.val.step.length).toBeGreaterThan(0);
  let last: unknown;
  while (last !== 'finished') last = ((await again.next('state')) as DashboardEvents['state']).state;
  expect((await second.ended).code).toBe(0);

  const plain = join(directory, 'plain');
  expect((await runCommand(training(plain, end))).code).toBe(0);
  const weights = (path: string) => readFile(join(path, 'weights.safetensors'));
  expect((await weights(run)).equals(await weights(plain))).toBe(true);
});

it('has a page that loads nothing from elsewhere', async () => {
  const files = await dashboardFiles();
  expect([...files.keys()]).toEqual([
    '/',
    ...['page', 'curves', 'figures', 'images', 'history', 'numbers', 'elements'].map((name) => `/${name}.js`),
    '/page.css',
    '/uplot.js',
    '/uplot.css',
  ]);
  for (const [path, { type, content }] of files) {
    expect(content.length).toBeGreaterThan(100);
    expect(type).toMatch(/^text\/(html|javascript|css)/);
    if (!path.startsWith('/uplot')) expect(content.toString()).not.toMatch(/https?:\/\//);
  }
  const html = files.get('/')!.content.toString();
  for (const [, address] of html.matchAll(/(?:src|href)="([^"]*)"/g)) {
    expect(address === 'data:,' || files.has(address!)).toBe(true);
  }
  // No inline script or style: the content security policy would refuse it.
  expect(html).not.toMatch(/<script>|<style|style=|onclick/);
});
