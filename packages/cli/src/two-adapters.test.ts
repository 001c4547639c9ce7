import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listAdapters } from '@alex/tensor';
import { beforeAll, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { runCommand } from './testing/command.js';
import { writeImages } from './testing/images.js';
import { traceEvents } from './trace.js';

const directory = temporaryFolder();
let adapter: string;

beforeAll(async () => {
  await writeImages(join(directory, 'images'), ['blue', 'green', 'red']);
  adapter = process.env['ALEX_ADAPTER'] ?? `${(await listAdapters())[0]!.index}`;
});

it('trains on an adapter opened twice, writes a trace, and resumes on one', async () => {
  const run = join(directory, 'run');
  const trace = join(directory, 'trace.json');
  const train = (...more: string[]) =>
    runCommand([
      ...['train', '--data', join(directory, 'images'), '--model', 'small', '--crop', '24', '--batch', '1'],
      ...['--tune', 'off', '--run', run, ...more],
    ]);
  const adapters = ['--adapters', `${adapter},${adapter}`];
  const both = await train('--steps', '2', ...adapters, '--strategy', 'model', '--trace', trace);
  expect(both.stderr).toBe('');
  expect(both.code).toBe(0);
  const { traceEvents: events } = JSON.parse(await readFile(trace, 'utf8')) as {
    traceEvents: { pid: number; cat?: string }[];
  };
  for (const pid of [0, 1]) {
    for (const cat of ['compute', 'exchange']) {
      expect(events.some((event) => event.pid === pid && event.cat === cat)).toBe(true);
    }
  }
  const alone = await train('--steps', '3', '--adapters', adapter, '--resume');
  expect(alone.code).toBe(0);
  const steps = (await readFile(join(run, 'metrics.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { step: number; split: string; loss: number })
    .filter(({ split }) => split === 'train');
  expect(steps.map(({ step }) => step)).toEqual([1, 2, 3]);
  const wrong = await runCommand(['train', '--run', run, '--resume', '--strategy', 'both']);
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toMatch(/Allowed choices are model, data, hybrid, auto/);
});

it('shows each adapter as a process with two lanes, in microseconds from the first event', () => {
  const timing = { label: 'conv3/forward', bytes: 8, milliseconds: 1.5 };
  const events = traceEvents(
    [
      { ...timing, start: 100, adapter: 0 },
      { ...timing, label: 'conv3/input', start: 102, adapter: 1, from: 0 },
    ],
    ['first', 'second'],
  );
  expect(events.slice(-2)).toEqual([
    { ph: 'X', name: 'conv3/forward', cat: 'compute', pid: 0, tid: 0, ts: 0, dur: 1500, args: { bytes: 8 } },
    {
      ph: 'X',
      name: 'conv3/input',
      cat: 'exchange',
      pid: 1,
      tid: 1,
      ts: 2000,
      dur: 1500,
      args: { bytes: 8, from: 'first' },
    },
  ]);
});
