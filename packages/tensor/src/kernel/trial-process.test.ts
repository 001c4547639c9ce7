import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openGpu } from '../adapter/adapters.js';
import type { Gpu } from '../adapter/gpu.js';
import { ownScript } from '../own-script.js';
import { recordPerElement } from './per-element.js';
import { createRecording, type Recorder, type Tunable } from './recorder.js';
import { timeCandidates } from './trial.js';
import { TrialProcess, type Verdict } from './trial-process.js';
import { avoidedOn, avoidOn, choiceOf, recordTunable, trustRisky, useTunings } from './tunable.js';
import { type TuningEvent, tune } from './tuner.js';
import { createTuningCache } from './tuning-cache.js';

/** Ways to double x. All except the first are risky, and most are named after what they do to the compiling process. */
type Way =
  | 'plain'
  | 'right'
  | 'twoSteps'
  | 'wrong'
  | 'invalid'
  | 'throws here'
  | 'throw'
  | 'crash'
  | 'exit'
  | 'hang'
  | 'lose'
  | 'interrupt';

const elements = 1000;
const { url: script } = ownScript('treacherous-driver');

let gpu: Gpu;
let folder: string;
let processes: TrialProcess[] = [];

beforeEach(async () => {
  const adapter = process.env['ALEX_ADAPTER'];
  gpu = await openGpu(adapter ? { adapter } : {});
  folder = await mkdtemp(join(tmpdir(), 'alex-trials-'));
});
afterEach(async () => {
  for (const one of processes) await one.end();
  processes = [];
  expect(gpu.liveBuffers).toBe(0);
  gpu.dispose();
  await rm(folder, { recursive: true });
});

/** Only candidates that are said to hang ever run into the limit. */
function trialProcess(options: { script?: URL } = { script }): TrialProcess {
  const overdue = (choice: unknown) => (choice === 'hang' ? Promise.resolve() : new Promise<never>(() => undefined));
  const made = new TrialProcess(gpu, { overdue, ...options });
  processes.push(made);
  return made;
}

function doubling(recorder: Recorder, candidates: readonly Way[]): Tunable<Way> {
  const [x, y] = [recorder.tensor('x', [elements]), recorder.tensor('y', [elements])];
  return {
    kernel: 'doubling',
    version: 1,
    shape: `${elements}`,
    candidates,
    plain: 'plain',
    isRisky: (way) => way !== 'plain',
    outputs: [y],
    record(inner, way) {
      if (way === 'throws here') throw new Error('no such kernel');
      const body = {
        plain: 'store_y(i, 2.0 * load_x(i));',
        right: 'store_y(i, load_x(i) + load_x(i));',
        wrong: 'store_y(i, 2.1 * load_x(i));',
        invalid: 'store_y(i, nonsense);',
      }[way as string];
      if (way === 'twoSteps') {
        const half = inner.tensor('half', [elements]);
        const copy = inner.tensor('copy', [elements], { mayReuse: half });
        const step = (label: string, from: Record<string, typeof x>, to: Record<string, typeof x>, body: string) =>
          recordPerElement(inner, { label, elements, reads: from, writes: to, body });
        step('halve', { x }, { half }, 'store_half(i, 0.5 * load_x(i));');
        step('copy', { half }, { copy }, 'store_copy(i, load_half(i));');
        step('add', { x, copy }, { y }, 'store_y(i, 3.0 * load_copy(i) + 0.5 * load_x(i));');
        return;
      }
      recordPerElement(inner, {
        label: 'doubling',
        elements,
        reads: { x },
        writes: { y },
        body: `// treachery: ${way}\n${body ?? 'store_y(i, 2.0 * load_x(i));'}`,
      });
    },
  };
}

const record = (candidates: readonly Way[]) => (recorder: Recorder) =>
  recordTunable(recorder, doubling(recorder, candidates));

async function verdicts(candidates: readonly Way[], process: TrialProcess, signal?: AbortSignal): Promise<Verdict[]> {
  const tunable = doubling(createRecording(gpu), candidates) as Tunable<unknown>;
  const found: Verdict[] = [];
  for await (const verdict of process.try(tunable, candidates, signal)) found.push(verdict);
  return found;
}

const right = { fault: undefined, dangerous: false };

describe('a process of trials', () => {
  it('distinguishes right, wrong and failing candidates, and can be used again', async () => {
    const own = trialProcess({});
    expect(await verdicts(['right', 'wrong', 'twoSteps', 'invalid', 'throws here', 'plain'], own)).toEqual([
      { choice: 'throws here', fault: 'no such kernel', dangerous: false },
      { choice: 'right', ...right },
      {
        choice: 'wrong',
        fault: expect.stringMatching(/differs from the plain choice by 0\.0\d+ of/),
        dangerous: false,
      },
      { choice: 'twoSteps', ...right },
      { choice: 'invalid', fault: expect.stringContaining('parsing WGSL'), dangerous: false },
      { choice: 'plain', ...right },
    ]);
    expect(await verdicts(['twoSteps'], own)).toEqual([{ choice: 'twoSteps', ...right }]);
  });

  it('survives a crash by a candidate, and continues after it', async () => {
    expect(await verdicts(['right', 'crash', 'exit', 'twoSteps', 'hang', 'lose', 'wrong'], trialProcess())).toEqual([
      { choice: 'right', ...right },
      { choice: 'crash', fault: 'crashes its process (SIGSEGV)', dangerous: true },
      { choice: 'exit', fault: 'crashes its process (exit code 3)', dangerous: true },
      { choice: 'twoSteps', ...right },
      { choice: 'hang', fault: 'does not finish', dangerous: true },
      {
        choice: 'lose',
        fault: expect.stringMatching(/^loses the adapter: The adapter ".+" was lost/),
        dangerous: true,
      },
      { choice: 'wrong', fault: expect.stringContaining('differs'), dangerous: false },
    ]);
  });

  it('does not treat a candidate that throws as one that crashes', async () => {
    expect(await verdicts(['throw', 'right'], trialProcess())).toEqual([
      { choice: 'throw', fault: 'the compiler gives up', dangerous: false },
      { choice: 'right', ...right },
    ]);
  });

  it('blames no candidate if it is killed from outside, or does not start', async () => {
    const outside = 'cannot be tried in a separate process, which ended (SIGTERM)';
    expect(await verdicts(['right', 'interrupt', 'twoSteps'], trialProcess())).toEqual([
      { choice: 'right', ...right },
      { choice: 'interrupt', fault: outside, dangerous: false },
      { choice: 'twoSteps', fault: outside, dangerous: false },
    ]);
    const missing = trialProcess({ script: new URL('no-such-script.ts', import.meta.url) });
    const [verdict, ...others] = await verdicts(['right'], missing);
    expect(others).toEqual([]);
    expect(verdict).toMatchObject({
      fault: expect.stringMatching(/^cannot be tried .*, which ended \(exit code 1\)$/),
      dangerous: false,
    });
  });

  it('tries nothing if there is no default to compare with', async () => {
    for (const plain of ['throws here', 'throw'] as const) {
      const tunable = { ...doubling(createRecording(gpu), ['right']), plain } as Tunable<unknown>;
      const found: Verdict[] = [];
      for await (const verdict of trialProcess().try(tunable, ['right'])) found.push(verdict);
      const fault = expect.stringContaining('which says: the plain choice fails: the compiler gives up');
      expect(found).toEqual(plain === 'throw' ? [{ choice: 'right', fault, dangerous: false }] : []);
    }
  });

  it('ends at once if it is stopped', async () => {
    const controller = new AbortController();
    const overdue = (choice: unknown) => {
      if (choice === 'hang') controller.abort();
      return new Promise<never>(() => undefined);
    };
    const stopped = new TrialProcess(gpu, { script, overdue });
    processes.push(stopped);
    expect(await verdicts(['right', 'hang', 'twoSteps'], stopped, controller.signal)).toEqual([
      { choice: 'right', ...right },
    ]);
  });
});

describe('risky candidates', () => {
  const clock = {
    now: () => 0,
    time: (_: unknown, { choice }: { choice: unknown }) => Promise.resolve(choice === 'twoSteps' ? 1 : 5),
  };
  const candidates: readonly Way[] = ['crash', 'wrong', 'right', 'twoSteps'];

  it('are not used before they were measured', () => {
    const recorder = createRecording(gpu);
    expect(choiceOf(gpu, doubling(recorder, candidates))).toBe('plain');
    expect(choiceOf(gpu, { ...doubling(recorder, candidates), isRisky: (way) => way === 'crash' })).toBe('wrong');
  });

  it('win if they are right and fast; one that crashed a process is remembered and never tried again', async () => {
    const options = { effort: 'full', clock, cache: createTuningCache(folder) } as const;
    const first = await tune(gpu, record(candidates), { ...options, trialProcess: trialProcess() });
    expect(first.tunings.get('doubling/1/1000')!.choice).toBe('twoSteps');
    const key = 'doubling/1/1000';
    expect(first.dropped).toEqual([
      { key, choice: 'crash', reason: 'crashes its process (SIGSEGV)' },
      { key, choice: 'wrong', reason: expect.stringContaining('differs') },
    ]);
    const [name] = await readdir(folder);
    expect(JSON.parse(await readFile(join(folder, name!), 'utf8'))['avoided']).toEqual({
      [key]: first.dropped.slice(0, 1).map(({ choice, reason }) => ({ choice, reason })),
    });

    // Later, on a harmless driver.
    const other = await openGpu({ adapter: gpu.description.index });
    const harmless = trialProcess({});
    const again = await tune(other, record([...candidates, 'plain']), { ...options, effort: 'cached' });
    expect(again.left).toEqual([]);
    const onlyBad = await tune(other, record(['crash', 'plain', 'exit']), { ...options, trialProcess: harmless });
    expect(onlyBad.dropped).toEqual([
      { key, choice: 'crash', reason: 'crashes its process (SIGSEGV); it will never be tried again' },
    ]);
    expect(onlyBad.tunings.get(key)!.choice).not.toBe('crash');
    other.dispose();
  });

  it('that come first are checked once, without timing, and the first correct one is used', async () => {
    const key = 'doubling/1/1000';
    const options = { effort: 'cached', clock, cache: createTuningCache(folder) } as const;
    const events: TuningEvent[] = [];
    const onEvent = (event: TuningEvent) => events.push(event);
    const bad: readonly Way[] = ['wrong', 'crash', 'right', 'twoSteps'];
    const first = await tune(gpu, record(bad), { ...options, onEvent, trialProcess: trialProcess() });
    expect(first.tunings).toEqual(new Map([[key, { choice: 'right', effort: 'examined' }]]));
    expect(first).toMatchObject({ tuned: [], left: [], dropped: [{ choice: 'wrong' }, { choice: 'crash' }] });
    expect(events.map(({ kind }) => kind)).toEqual(['examining', 'dropped', 'dropped']);
    expect(choiceOf(gpu, doubling(createRecording(gpu), bad))).toBe('right');

    // Another process uses the stored result, and tries nothing.
    const other = await openGpu({ adapter: gpu.description.index });
    const again = await tune(other, record(bad), { ...options, onEvent, trialProcess: trialProcess() });
    expect(again.tunings).toEqual(first.tunings);
    expect(events).toHaveLength(3);
    // Choices that were only checked are timed on request.
    const timed = await tune(other, record(bad), { ...options, effort: 'full', trialProcess: trialProcess() });
    expect(timed.tunings.get(key)).toEqual({ choice: 'twoSteps', milliseconds: 1, effort: 'full' });
    other.dispose();
  });

  it('that come first are not used if none of the first is correct, or nothing may be tried', async () => {
    const options = { clock, cache: createTuningCache(folder) } as const;
    const bad: readonly Way[] = ['wrong', 'invalid', 'throw', 'right'];
    const examined = await tune(gpu, record(bad), { ...options, effort: 'cached', trialProcess: trialProcess() });
    expect(examined.dropped.map(({ choice }) => choice)).toEqual(['wrong', 'invalid', 'throw']);
    expect(choiceOf(gpu, doubling(createRecording(gpu), bad))).toBe('plain');
    // Nothing is stored: the machine may have been the cause.
    expect(await readdir(folder)).toEqual([]);
    const off = await tune(gpu, record(['right']), { ...options, effort: 'off', trialProcess: trialProcess() });
    expect(off.dropped).toEqual([]);
    expect(choiceOf(gpu, doubling(createRecording(gpu), ['right']))).toBe('plain');
  });

  it('are used without a trial by a test that trusts them', async () => {
    trustRisky(gpu);
    expect(choiceOf(gpu, doubling(createRecording(gpu), ['wrong', 'plain']))).toBe('wrong');
  });

  it('are not used if they turn out to be bad after all', async () => {
    const key = 'doubling/1/1000';
    useTunings(gpu, [[key, { choice: 'crash', milliseconds: 1, effort: 'quick' }]]);
    const tunable = doubling(createRecording(gpu), candidates);
    expect(choiceOf(gpu, tunable)).toBe('crash');
    avoidOn(gpu, [[key, [{ choice: 'crash', reason: 'crashes its process' }]]]);
    expect(choiceOf(gpu, tunable)).toBe('plain');
  });

  it('are timed like others by timeCandidates, except the bad ones', async () => {
    const tunable = doubling(createRecording(gpu), ['exit', 'right', 'twoSteps']) as Tunable<unknown>;
    const cache = createTuningCache(folder);
    expect(await timeCandidates(gpu, tunable, { clock, cache, trialProcess: trialProcess() })).toEqual([
      { choice: 'twoSteps', milliseconds: 1 },
      { choice: 'plain', milliseconds: 5 },
      { choice: 'right', milliseconds: 5 },
      { choice: 'exit', reason: 'crashes its process (exit code 3)' },
    ]);
    expect(avoidedOn(gpu)).toEqual(await cache.loadAvoided(gpu.description));
    expect(avoidedOn(gpu).size).toBe(1);
  });
});
