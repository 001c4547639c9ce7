import { testGpu } from '@alex/tensor/testing';
import { describe, expect, test } from 'vitest';
import { never } from '../gpu-check/testing.js';
import { ask } from './ask.js';
import { peerNames } from './libraries.js';
import { formatAnswer, type Request } from './protocol.js';
import { expectedSample } from './reference.js';
import type { Workload } from './workloads.js';

const workload = { kind: 'product', rows: 5, depth: 3, columns: 7 } as const;
const request: Request = { library: 'alex', adapter: 'a', workload, repeats: 1 };

/** Asks a process that runs `program` instead of a library. */
function asked(program: string, limitMs = never) {
  return ask(request, { limitMs, command: [process.execPath, '--eval', program] });
}

describe('a process that', () => {
  test('answers is believed, even if it crashes afterwards', async () => {
    const answer = { firstMs: 1, milliseconds: [2], sample: [3] };
    const line = JSON.stringify(formatAnswer(answer));
    expect(await asked(`console.log('noise'); console.log(${line})`)).toEqual(answer);
    expect(await asked(`console.log(${line}); process.exitCode = 3`)).toEqual(answer);
  });

  test('receives the request', async () => {
    const program = `console.log('alex-benchmark ' + JSON.stringify({ failure: JSON.parse(process.argv[1]).library }))`;
    expect(await asked(program)).toEqual({ failure: 'alex' });
  });

  test.each([
    ['ends with a code', `console.error('out of paper'); process.exit(3)`, /^ended with exit code 3: out of paper$/],
    ['throws', `throw new Error('no adapter')`, /^ended with exit code 1: /],
    ['is ended', `process.kill(process.pid, 'SIGKILL')`, /^ended with SIGKILL$/],
    ['says nothing', '', /^ended without an answer$/],
    ['prints garbage', `console.log('alex-benchmark {"firstMs":')`, /^ended without an answer$/],
  ])('%s is a failure with its reason', async (_, program, failure) => {
    expect(await asked(program)).toEqual({ failure: expect.stringMatching(failure) });
  });

  test('takes too long is killed', async () => {
    expect(await asked(`process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)`, 500)).toEqual({
      failure: 'took longer than 0.5 s',
    });
  });

  test('cannot be started is a failure', async () => {
    const failure = expect.stringMatching(/^cannot be started: .*no-such-program/);
    expect(await ask(request, { limitMs: never, command: ['/no-such-program'] })).toEqual({ failure });
  });
});

/** The largest difference relative to the largest value. */
function shareOff(values: readonly number[], expected: readonly number[]): number {
  expect(values).toHaveLength(expected.length);
  const gaps = values.map((value, index) => Math.abs(value - expected[index]!));
  return Math.max(...gaps) / Math.max(...expected.map(Math.abs));
}

describe.each(['alex', ...peerNames])('%s', (library) => {
  const grouped = { channels: 4, size: 6, filters: 6, kernel: 3, padding: 1, groups: 2 };
  test.each<Exclude<Workload, { kind: 'step' }>>([
    { kind: 'dense', batch: 3, inputs: 20, units: 10 },
    { kind: 'convolution', directions: 'both', batch: 2, ...grouped },
    { kind: 'convolution', directions: 'both', batch: 2, ...grouped, groups: 1 },
  ])('computes what float64 loops do: $kind $groups', async (small) => {
    const adapter = (await testGpu()).description.name;
    const answer = await ask({ library, adapter, workload: small, repeats: 1 }, { limitMs: never });
    if ('failure' in answer) throw new Error(answer.failure);
    expect(answer.milliseconds).toHaveLength(1);
    expect(shareOff(answer.sample, expectedSample(small))).toBeLessThan(1e-5);
  });
});

test('an adapter that is not there is a failure of the library, not of the benchmark', async () => {
  const answer = await ask({ ...request, adapter: 'no such adapter' }, { limitMs: never });
  expect(answer).toEqual({ failure: expect.stringContaining('There is no adapter "no such adapter"') });
});
