import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openGpu } from '../adapter/adapters.js';
import type { Gpu } from '../adapter/gpu.js';
import { recordPerElement } from './per-element.js';
import { createProgram, type Program } from './program.js';
import type { Recorder, Tunable } from './recorder.js';
import { createTensor, disposeTensor, readTensor, type Tensor, writeTensor } from './tensor.js';
import { timeCandidates } from './trial.js';
import { recordTunable, tuningsOf } from './tunable.js';
import { type TuneOptions, type TuningEvent, tune } from './tuner.js';
import { createTuningCache } from './tuning-cache.js';
import { adapterClock, type TuningClock } from './tuning-clock.js';

/** Ways to compute three times x plus the present value, right and wrong ones. */
type Way = 'first' | 'twoSteps' | 'plain' | 'wrong' | 'unwritten' | 'throws' | 'invalid' | 'greedy' | 'elsewhere';

const elements = 1000;

/** A new adapter each time, because tunings are remembered per adapter. */
let gpu: Gpu;
let folder: string;
const recorded: Way[] = [];

beforeEach(async () => {
  const adapter = process.env['ALEX_ADAPTER'];
  gpu = await openGpu(adapter ? { adapter } : {});
  folder = await mkdtemp(join(tmpdir(), 'alex-tuner-'));
  recorded.length = 0;
});
afterEach(async () => {
  expect(gpu.liveBuffers).toBe(0);
  gpu.dispose();
  await rm(folder, { recursive: true });
});

const kinds = ['software', 'hardware'] as const;

/** Makes the adapter pose as one of a kind: cards are timed differently from software drivers. */
function passFor(kind: (typeof kinds)[number]): void {
  Object.defineProperty(gpu, 'description', { value: { ...gpu.description, kind } });
}

function triple(x: Tensor, y: Tensor, candidates: readonly Way[], more: Partial<Tunable<Way>> = {}): Tunable<Way> {
  const step = (recorder: Recorder, from: Tensor, to: Tensor, body: string) =>
    recordPerElement(recorder, { label: 'triple', elements, reads: { from, to }, writes: { to }, body });
  return {
    kernel: 'triple',
    version: 1,
    shape: `${elements}`,
    candidates,
    plain: 'plain',
    outputs: [y],
    record(recorder, way) {
      recorded.push(way);
      const once = (text: string) => step(recorder, x, y, `store_to(i, load_to(i) + ${text});`);
      switch (way) {
        case 'twoSteps': {
          const middle = recorder.tensor('middle', [elements]);
          recordPerElement(recorder, {
            label: 'double',
            elements,
            reads: { x },
            writes: { middle },
            body: 'store_middle(i, 2.0 * load_x(i));',
          });
          recordPerElement(recorder, {
            label: 'add',
            elements,
            reads: { x, middle, y },
            writes: { y },
            body: 'store_y(i, load_y(i) + load_middle(i) + load_x(i));',
          });
          return;
        }
        case 'wrong':
          return once('3.01 * load_from(i)');
        case 'unwritten':
          return step(recorder, x, y, 'if (i != 999u) { store_to(i, load_to(i) + 3.0 * load_from(i)); }');
        case 'throws':
          throw new Error('no such kernel on this adapter');
        case 'invalid':
          return once('nonsense');
        case 'greedy': {
          const count = recorder.gpu.limits.maxStorageBuffersPerShaderStage + 1;
          const writes = Object.fromEntries(
            Array.from({ length: count }, (_, index) => [`t${index}`, recorder.tensor('t', [elements])]),
          );
          return recordPerElement(recorder, {
            label: 'greedy',
            elements,
            reads: {},
            writes,
            body: Object.keys(writes)
              .map((name) => `store_${name}(i, 1.0);`)
              .join('\n'),
          });
        }
        case 'elsewhere':
          return step(recorder, y, x, 'store_to(i, 0.0);');
        default:
          return once('3.0 * load_from(i)');
      }
    },
    ...more,
  };
}

/** Time stands still, and a run takes as long as given here. */
function clockOf(times: Partial<Record<Way, number>>): TuningClock & { readonly timed: Way[] } {
  const timed: Way[] = [];
  return {
    timed,
    now: () => 0,
    time(_, { choice }) {
      timed.push(choice as Way);
      return Promise.resolve(times[choice as Way] ?? 10);
    },
  };
}

/** The results of the adapter for x = 0, 1, 2 ... and y = 1. */
async function compute(candidates: readonly Way[]): Promise<number[]> {
  const [x, y] = [createTensor(gpu, 'x', [elements]), createTensor(gpu, 'y', [elements])];
  writeTensor(
    gpu,
    x,
    Float32Array.from({ length: elements }, (_, i) => i),
  );
  writeTensor(gpu, y, new Float32Array(elements).fill(1));
  const program = createProgram(gpu, (recorder) => recordTunable(recorder, triple(x, y, candidates)));
  await program.run();
  const values = [...(await readTensor(gpu, y))];
  program.dispose();
  disposeTensor(gpu, x);
  disposeTensor(gpu, y);
  return values;
}

/** The recorder's tensors have no memory, as when a network is recorded before it is created. */
const record = (candidates: readonly Way[], more?: Partial<Tunable<Way>>) => (recorder: Recorder) =>
  recordTunable(recorder, triple(recorder.tensor('x', [elements]), recorder.tensor('y', [elements]), candidates, more));

const tuned = (candidates: readonly Way[], options: Partial<TuneOptions> = {}) =>
  tune(gpu, record(candidates), { effort: 'full', clock: clockOf({}), ...options });

const all: readonly Way[] = ['first', 'twoSteps', 'plain'];

describe('recording', () => {
  it('uses the first candidate until a faster one was found', async () => {
    const expected = Array.from({ length: elements }, (_, i) => 3 * i + 1);
    expect(await compute(all)).toEqual(expected);
    expect(recorded).toEqual(['first']);
    for (const effort of ['off', 'cached', 'quick', 'full'] as const) {
      await tune(gpu, record(all), { effort, clock: clockOf({ twoSteps: 3 }) });
      recorded.length = 0;
      expect(await compute(all)).toEqual(expected);
      expect(recorded).toEqual([effort === 'off' || effort === 'cached' ? 'first' : 'twoSteps']);
    }
  });

  it('uses the first candidate if the found one no longer exists, or another version was measured', async () => {
    await tuned(all, { clock: clockOf({ twoSteps: 3 }) });
    await compute(['plain', 'first']);
    expect(recorded.at(-1)).toBe('plain');
    record(['first', 'twoSteps'], { version: 2 })(createRecorder());
    expect(recorded.at(-1)).toBe('first');
  });

  it('refuses a tunable without candidates', () => {
    expect(() => record([])(createRecorder())).toThrow(/triple: .* at least one candidate/);
  });
});

function createRecorder(): Recorder {
  const tensor: Recorder['tensor'] = (label, shape) => ({ label, shape, elements, dataType: 'f32' });
  return {
    gpu,
    tensor,
    activation: tensor,
    dispatch: () => undefined,
    send: () => undefined,
    receive: () => undefined,
  };
}

describe('tune', () => {
  it('keeps the fastest candidate, by its best run, and reports the gain', async () => {
    const events: TuningEvent[] = [];
    const times = [8, 9, 12, 4, 5, 6];
    const clock: TuningClock = {
      now: () => 0,
      time: (_, { choice }) => Promise.resolve(choice === 'plain' ? 7 : (times.shift() ?? 9)),
    };
    const report = await tuned(['first', 'plain'], { clock, onEvent: (event) => events.push(event) });
    expect(report.tuned).toEqual(['triple/1/1000']);
    expect(report).toMatchObject({ left: [], dropped: [] });
    // The first candidate had one good run among bad ones.
    expect([...report.tunings]).toEqual([['triple/1/1000', { choice: 'first', milliseconds: 4, effort: 'full' }]]);
    expect(events).toEqual([
      { kind: 'measuring', key: 'triple/1/1000', done: 0, of: 1 },
      {
        kind: 'tuned',
        key: 'triple/1/1000',
        choice: 'first',
        milliseconds: 4,
        firstMilliseconds: 4,
        effort: 'full',
      },
    ]);
  });

  it('keeps the first candidate if another is hardly faster', async () => {
    const { tunings } = await tuned(all, { clock: clockOf({ twoSteps: 9.9 }) });
    expect([...tunings.values()]).toEqual([{ choice: 'first', milliseconds: 10, effort: 'full' }]);
  });

  it.each([
    ['software', 1],
    // In the first round, a card may have been slow to speed up.
    ['hardware', 2],
  ] as const)('on %s times hopeless candidates only this often: %d', async (kind, times) => {
    passFor(kind);
    const clock = clockOf({ plain: 100 });
    await tuned(all, { clock });
    expect(clock.timed.filter((way) => way === 'plain')).toHaveLength(times);
    expect(clock.timed.filter((way) => way === 'first').length).toBeGreaterThan(times);
  });

  it('does not give up on candidates whose turn came while a card was speeding up', async () => {
    passFor('hardware');
    const clock = clockOf({ first: 10, plain: 10 });
    const awake = { ...clock, time: clock.time };
    let turns = 0;
    awake.time = (on, run) => (turns++ === 0 ? Promise.resolve(90) : clock.time(on, run));
    // The default goes first: slow once, and then as fast as the others.
    await tuned(['first', 'plain'], { clock: awake });
    expect(clock.timed.filter((way) => way === 'plain')).toHaveLength(7);
  });

  it.each([
    ['software', 'quick', 10],
    ['software', 'full', 30],
    // There, a turn has many runs.
    ['hardware', 'quick', 8],
    ['hardware', 'full', 8],
  ] as const)('gives every candidate on %s in %s %d turns', async (kind, effort, turns) => {
    passFor(kind);
    const clock = clockOf({});
    await tuned(['first', 'plain'], { effort, clock });
    expect(clock.timed).toEqual(Array.from({ length: turns }, () => ['plain', 'first']).flat());
  });

  it.each([
    ['wrong', /differs from the plain choice/],
    ['unwritten', /differs from the plain choice/],
    ['throws', /no such kernel/],
    ['invalid', /nonsense/],
    ['greedy', /bindings/],
    ['elsewhere', /writes x, which is not among the outputs/],
  ] as const)('drops a candidate that is %s, however fast, and says why', async (way, reason) => {
    const { dropped, tunings } = await tuned(['first', way, 'twoSteps'], { clock: clockOf({ [way]: 1, twoSteps: 5 }) });
    expect(dropped).toEqual([{ key: 'triple/1/1000', choice: way, reason: expect.stringMatching(reason) }]);
    expect(tunings.get('triple/1/1000')!.choice).toBe('twoSteps');
  });

  it('falls back on the default if no candidate is right, so that recording is right', async () => {
    const { dropped } = await tuned(['wrong']);
    expect(dropped).toHaveLength(1);
    expect((await compute(['wrong'])).slice(0, 2)).toEqual([1, 4]);
    expect(recorded.at(-1)).toBe('plain');
  });

  it.each(['throws', 'invalid'] as const)('changes nothing if the default is %s', async (plain) => {
    const record = (recorder: Recorder) => {
      const [x, y] = [recorder.tensor('x', [elements]), recorder.tensor('y', [elements])];
      recordTunable(recorder, triple(x, y, ['first', 'twoSteps'], { plain }));
    };
    const { left, dropped, tunings } = await tune(gpu, record, { effort: 'full', clock: clockOf({}) });
    expect({ left, tunings: tunings.size }).toEqual({ left: ['triple/1/1000'], tunings: 0 });
    expect(dropped.map(({ choice }) => choice)).toEqual([plain]);
  });

  it.each(kinds)('drops a candidate that cannot be timed, once, on %s', async (kind) => {
    passFor(kind);
    const clock = clockOf({});
    const failing: TuningClock = {
      ...clock,
      time: (gpu, run) => (run.choice === 'first' ? Promise.reject(new Error('timed out')) : clock.time(gpu, run)),
    };
    const { dropped, tunings } = await tuned(['first', 'plain'], { clock: failing });
    expect(dropped).toMatchObject([{ choice: 'first', reason: 'timed out' }]);
    expect(tunings.get('triple/1/1000')!.choice).toBe('plain');
  });

  it.each(kinds)('changes nothing if no candidate can be timed, on %s', async (kind) => {
    passFor(kind);
    const failing: TuningClock = { ...clockOf({}), time: () => Promise.reject(new Error('timed out')) };
    const { dropped, left, tunings } = await tuned(all, { clock: failing });
    expect(dropped.map(({ choice }) => choice)).toEqual(['plain', 'first', 'twoSteps']);
    expect({ left, tunings: tunings.size }).toEqual({ left: ['triple/1/1000'], tunings: 0 });
  });

  it('measures with the adapter itself if no clock is given', async () => {
    const { tunings, left } = await tuned(all, { clock: undefined });
    expect(left).toEqual([]);
    expect(tunings.get('triple/1/1000')!.milliseconds).toBeGreaterThan(0);
  });

  it('tries only the first few candidates in quick, and all of them again in full', async () => {
    const many: readonly Way[] = ['first', 'plain', 'wrong', 'twoSteps'];
    const clock = clockOf({ twoSteps: 1 });
    const quick = await tuned(many, { effort: 'quick', clock });
    expect(quick.tunings.get('triple/1/1000')).toEqual({ choice: 'first', milliseconds: 10, effort: 'quick' });
    expect((await tuned(many, { effort: 'quick', clock })).tuned).toEqual([]);
    const full = await tuned(many, { clock });
    expect(full.tunings.get('triple/1/1000')).toEqual({ choice: 'twoSteps', milliseconds: 1, effort: 'full' });
    for (const effort of ['quick', 'full', 'cached'] as const) {
      expect((await tuned(many, { effort, clock })).tuned).toEqual([]);
    }
  });

  it('starts nothing after its budget, tunes the largest work first, and gets further in the next run', async () => {
    let now = 0;
    const clock: TuningClock = { now: () => (now += 1000), time: () => Promise.resolve(10) };
    const cache = createTuningCache(folder);
    const record = (recorder: Recorder) => {
      for (const [shape, work] of [
        ['small', 1],
        ['large', 3],
        ['often', 2],
        ['often', 2],
      ] as const) {
        const [x, y] = [recorder.tensor('x', [elements]), recorder.tensor('y', [elements])];
        recordTunable(recorder, triple(x, y, all, { shape, work }));
      }
    };
    const options = { effort: 'quick', clock, cache, budgetMilliseconds: 1500 } as const;
    const first = await tune(gpu, record, options);
    expect(first.tuned).toEqual(['triple/1/often']);
    expect(first.left).toEqual(['triple/1/large', 'triple/1/small']);
    expect((await cache.load(gpu.description)).size).toBe(1);
    expect((await tune(gpu, record, options)).tuned).toEqual(['triple/1/large']);
    expect((await tune(gpu, record, options)).tuned).toEqual(['triple/1/small']);
    expect((await tune(gpu, record, options)).left).toEqual([]);
  });

  it('stops on request, keeping its findings', async () => {
    const controller = new AbortController();
    const clock = clockOf({});
    const stopping: TuningClock = {
      ...clock,
      time(gpu, run) {
        if (clock.timed.length === 4) controller.abort();
        return clock.time(gpu, run);
      },
    };
    const record = (recorder: Recorder) => {
      for (const shape of ['a', 'b', 'c']) {
        const [x, y] = [recorder.tensor('x', [elements]), recorder.tensor('y', [elements])];
        recordTunable(recorder, triple(x, y, ['first', 'plain'], { shape }));
      }
    };
    const options = { effort: 'quick', clock: stopping, signal: controller.signal } as const;
    const { left, tuned } = await tune(gpu, record, options);
    // Each would need ten rounds of two.
    expect({ left, tuned }).toEqual({ left: ['triple/1/a', 'triple/1/b', 'triple/1/c'], tuned: [] });
  });

  it('throws the loss of the adapter, and leaves nothing behind', async () => {
    const clock = clockOf({});
    const losing: TuningClock = {
      ...clock,
      async time(gpu) {
        gpu.device.destroy();
        await gpu.lost;
        throw new Error('whatever');
      },
    };
    await expect(tuned(all, { clock: losing })).rejects.toThrow(/was lost/);
  });

  it('also tunes the kernels inside a found candidate', async () => {
    const record = (recorder: Recorder) => {
      const [x, y] = [recorder.tensor('x', [elements]), recorder.tensor('y', [elements])];
      const outer: Tunable<string> = {
        kernel: 'outer',
        version: 1,
        shape: '',
        candidates: ['direct', 'through another'],
        plain: 'direct',
        outputs: [y],
        record(inner, choice) {
          if (choice === 'direct') triple(x, y, all).record(inner, 'plain');
          else recordTunable(inner, triple(x, y, all));
        },
      };
      recordTunable(recorder, outer);
    };
    const clock = clockOf({ ['through another' as Way]: 1, twoSteps: 1 });
    const { tuned, tunings } = await tune(gpu, record, { effort: 'quick', clock });
    expect(tuned).toEqual(['outer/1/', 'triple/1/1000']);
    expect([...tunings.values()].map(({ choice }) => choice).sort()).toEqual(['through another', 'twoSteps']);
  });

  it('gives kernels values for their scalars, and leaves integers 0', async () => {
    const record = (recorder: Recorder) => {
      const [at, y] = [recorder.tensor('at', [elements], { dataType: 'u32' }), recorder.tensor('y', [elements])];
      recordTunable<string>(recorder, {
        kernel: 'scaled',
        version: 1,
        shape: '',
        candidates: ['only'],
        plain: 'only',
        outputs: [y],
        record: (inner) =>
          recordPerElement(inner, {
            label: 'scaled',
            elements,
            reads: { at },
            writes: { y },
            scalars: { rate: 'f32', step: 'u32' },
            body: 'store_y(i, scalar_rate() * f32(scalar_step() + load_at(i)));',
          }),
      });
    };
    expect((await tune(gpu, record, { effort: 'quick', clock: clockOf({}) })).left).toEqual([]);
  });
});

describe('the clock of an adapter', () => {
  /** How often a program runs for one timing on an adapter that poses as another. */
  const runsWhileTimed = async (other: { kind: 'hardware' | 'software'; timestamps: boolean }) => {
    const y = createTensor(gpu, 'y', [elements]);
    const fill = { label: 'fill', elements, reads: {}, writes: { y }, body: 'store_y(i, 1.0);' };
    const program = createProgram(gpu, (recorder) => recordPerElement(recorder, fill));
    const passing = Object.create(gpu, {
      description: { value: { ...gpu.description, kind: other.kind } },
      features: { value: new Set(other.timestamps ? ['timestamp-query'] : []) },
      createBuffer: { value: gpu.createBuffer.bind(gpu) },
      destroyBuffer: { value: gpu.destroyBuffer.bind(gpu) },
      finished: { value: () => gpu.finished() },
    }) as Gpu;
    let runs = 0;
    const counting: Program = {
      ...program,
      run: (scalars, options) => {
        runs += options?.times ?? 1;
        return program.run(scalars, options);
      },
    };
    const milliseconds = await adapterClock.time(passing, { choice: 'only', program: counting, scalars: {} });
    program.dispose();
    disposeTensor(gpu, y);
    return { runs, milliseconds };
  };

  it('times a single run by the timestamps of a software driver', async () => {
    const { runs, milliseconds } = await runsWhileTimed({ kind: 'software', timestamps: true });
    expect(runs).toBe(1);
    expect(milliseconds).toBeGreaterThan(0);
  });

  it('times as many runs as take a while on a card, and by the wall clock', async () => {
    for (const other of [
      { kind: 'hardware', timestamps: true },
      { kind: 'hardware', timestamps: false },
      { kind: 'software', timestamps: false },
    ] as const) {
      const { runs, milliseconds } = await runsWhileTimed(other);
      expect(runs * milliseconds).toBeGreaterThanOrEqual(15);
    }
  });
});

describe('with a cache', () => {
  it('finds the results of this process in another', async () => {
    const cache = createTuningCache(folder);
    await tuned(all, { clock: clockOf({ twoSteps: 1 }), cache });
    const [name] = await readdir(folder);
    expect(JSON.parse(await readFile(join(folder, name!), 'utf8'))).toEqual({
      format: 1,
      adapter: gpu.description.name,
      driver: gpu.description.driver,
      entries: { 'triple/1/1000': { choice: 'twoSteps', milliseconds: 1, effort: 'full' } },
    });
    const other = await openGpu({ adapter: gpu.description.index });
    const report = await tune(other, record(all), { effort: 'cached', cache });
    expect(report.left).toEqual([]);
    expect(tuningsOf(other).get('triple/1/1000')!.choice).toBe('twoSteps');
    other.dispose();
  });

  it('measures again if the stored candidate no longer exists', async () => {
    const cache = createTuningCache(folder);
    await tuned(all, { clock: clockOf({ twoSteps: 1 }), cache });
    const { tuned: again, tunings } = await tuned(['first', 'plain'], { effort: 'quick', cache });
    expect(again).toEqual(['triple/1/1000']);
    expect(tunings.get('triple/1/1000')!.choice).toBe('first');
  });
});

describe('timing every candidate', () => {
  it('returns the right ones by time, including the default, and says why the others have none', async () => {
    const [x, y] = [createTensor(gpu, 'x', [elements]), createTensor(gpu, 'y', [elements])];
    const clock = clockOf({ first: 20, twoSteps: 5, plain: 90 });
    const tunable = triple(x, y, ['first', 'wrong', 'twoSteps', 'throws']) as Tunable<unknown>;
    expect(await timeCandidates(gpu, tunable, { clock })).toEqual([
      { choice: 'twoSteps', milliseconds: 5 },
      { choice: 'first', milliseconds: 20 },
      { choice: 'plain', milliseconds: 90 },
      { choice: 'throws', reason: 'no such kernel on this adapter' },
      { choice: 'wrong', reason: expect.stringContaining('differs from the plain choice') },
    ]);
    // Nothing is stored: kernels compiled afterwards are unaffected.
    expect(tuningsOf(gpu).size).toBe(0);
    for (const tensor of [x, y]) disposeTensor(gpu, tensor);
  });

  it('returns nothing if it is stopped', async () => {
    const [x, y] = [createTensor(gpu, 'x', [elements]), createTensor(gpu, 'y', [elements])];
    const tunable = triple(x, y, ['first']) as Tunable<unknown>;
    expect(await timeCandidates(gpu, tunable, { clock: clockOf({}), signal: AbortSignal.abort() })).toEqual([]);
    for (const tensor of [x, y]) disposeTensor(gpu, tensor);
  });
});
