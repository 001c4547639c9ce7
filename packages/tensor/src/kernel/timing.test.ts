import { describe, expect, it } from 'vitest';
import type { Gpu } from '../adapter/gpu.js';
import { testGpu } from '../testing.js';
import { recordPerElement } from './per-element.js';
import { createProgram, type Program } from './program.js';
import { createTensor, disposeTensor, readTensor } from './tensor.js';
import { repeatedRuns, untilLongEnough, untilLongEnoughOn } from './timing.js';

/** A card that runs at a sixth of its clock until it has worked for 40 ms, and a log of its work. */
function madeUpCard(millisecondsAtFullClock: number) {
  const asked: number[] = [];
  let busy = 0;
  return {
    asked,
    run(times: number) {
      asked.push(times);
      let milliseconds = 0;
      for (let time = 0; time < times; time++) {
        const once = millisecondsAtFullClock * (busy < 40 ? 6 : 1);
        busy += once;
        milliseconds += once;
      }
      return Promise.resolve(milliseconds);
    },
  };
}

const adapterOf = (kind: 'hardware' | 'software') => ({ description: { kind } }) as Gpu;

describe('untilLongEnough', () => {
  it.each([0.002, 0.3, 14, 200])('repeats work of %f ms for at least 15 ms at a time', async (once) => {
    const asked: number[] = [];
    const run = (times: number) => Promise.resolve(asked.push(times) && times * once);
    const { times, milliseconds } = await untilLongEnough(run, 15);
    expect(milliseconds).toBeGreaterThanOrEqual(15);
    expect(milliseconds).toBeCloseTo(times * once, 9);
    // Not much longer than necessary, and found in a few attempts.
    expect(milliseconds).toBeLessThan(Math.max(2 * 15, 2 * once));
    expect(asked.length).toBeLessThan(8);
  });

  it('ends even if the work takes no time', async () => {
    expect((await untilLongEnough(() => Promise.resolve(0), 15)).milliseconds).toBe(0);
  });
});

describe('untilLongEnoughOn', () => {
  it('times a card at its full clock', async () => {
    const card = madeUpCard(0.5);
    const { times, milliseconds } = await untilLongEnoughOn(adapterOf('hardware'), card.run, 15);
    expect(milliseconds / times).toBe(0.5);
  });

  it('does not warm up a card that was just busy, and never a software driver', async () => {
    const card = madeUpCard(100);
    const adapter = adapterOf('hardware');
    await untilLongEnoughOn(adapter, card.run, 15);
    expect(card.asked).toEqual([1, 1]);
    await untilLongEnoughOn(adapter, card.run, 15);
    await untilLongEnoughOn(adapterOf('software'), card.run, 15);
    expect(card.asked).toEqual([1, 1, 1, 1]);
  });
});

describe('repeatedRuns', () => {
  const counting = async (use: (gpu: Gpu, program: Program, count: () => Promise<number>) => Promise<void>) => {
    const gpu = await testGpu();
    const before = gpu.liveBuffers;
    const sum = createTensor(gpu, 'sum', [4]);
    const program = createProgram(gpu, (recorder) =>
      recordPerElement(recorder, {
        label: 'count',
        elements: 4,
        reads: { sum },
        writes: { sum },
        scalars: { step: 'f32' },
        body: 'store_sum(i, load_sum(i) + scalar_step());',
      }),
    );
    await use(gpu, program, async () => (await readTensor(gpu, sum))[3]!);
    program.dispose();
    disposeTensor(gpu, sum);
    expect(gpu.liveBuffers).toBe(before);
  };

  it('run a program the given number of times, and leave nothing behind', () =>
    counting(async (gpu, program, count) => {
      expect(await repeatedRuns(gpu, program, { step: 2 })(5)).toBeGreaterThan(0);
      expect(await count()).toBe(10);
    }));

  it('are timed by the wall clock if there are no timestamps', () =>
    counting(async (gpu, program, count) => {
      const without = { features: new Set(), finished: () => gpu.finished() } as unknown as Gpu;
      expect(await repeatedRuns(without, program, { step: 1 })(3)).toBeGreaterThan(0);
      expect(await count()).toBe(3);
    }));
});
