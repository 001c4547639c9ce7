import { ConfigError } from '@alex/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  exponentialSchedule,
  plateauSchedule,
  type Schedule,
  stepSchedule,
  tableSchedule,
  warmUp,
} from './schedule.js';

const at = (schedule: Schedule, epoch: number, epochs = 90) =>
  schedule.learningRate({ epoch, epochs, validationErrors: [] });

describe('stepSchedule', () => {
  it('drops at the epochs of the 2012 code', () => {
    const schedule = stepSchedule({ learningRate: 0.01, epochs: [23, 51, 78] });
    const rates = [0, 22.999, 23, 50.9, 51, 77, 78, 93].map((epoch) => at(schedule, epoch));
    [0.01, 0.01, 1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5].forEach((rate, index) => {
      expect(rates[index]! / rate).toBeCloseTo(1, 12);
    });
  });

  it('is constant without epochs', () => {
    expect(at(stepSchedule({ learningRate: 0.02, epochs: [] }), 1000)).toBe(0.02);
  });

  it('accepts a factor', () => {
    expect(at(stepSchedule({ learningRate: 1, factor: 0.5, epochs: [1, 2] }), 2)).toBe(0.25);
  });

  it('refuses epochs that do not increase and NaN', () => {
    expect(() => stepSchedule({ learningRate: 1, epochs: [2, 2] })).toThrow(ConfigError);
    expect(() => stepSchedule({ learningRate: 1, epochs: [2, 1] })).toThrow(/must increase, got 2, 1/);
    expect(() => stepSchedule({ learningRate: 1, epochs: [NaN] })).toThrow(/epochs\[0\].*got NaN/);
    expect(() => stepSchedule({ learningRate: -1, epochs: [] })).toThrow(/learningRate.*got -1/);
    expect(() => stepSchedule({ learningRate: 1, factor: Infinity, epochs: [] })).toThrow(/factor/);
  });
});

describe('tableSchedule', () => {
  it('gives the first layer the rates that the 2012 code gave it', () => {
    const factors = [
      [0, 1],
      [23, 0.1],
      [51, 0.01],
      [68, 0.001],
      [72, 0],
    ] as const;
    const schedule = tableSchedule({ learningRate: 0.01, factors });
    const rates = [0, 22.99, 23, 51, 67.9, 68, 72, 93].map((epoch) => at(schedule, epoch));
    expect(rates).toEqual([0.01, 0.01, 0.001, 0.0001, 0.0001, 0.00001, 0, 0]);
  });

  it('refuses tables that do not start at 0, do not increase, or contain NaN', () => {
    const table = (...factors: [number, number][]) => tableSchedule({ learningRate: 1, factors });
    expect(() => table()).toThrow(/must start at 0 and increase, got none/);
    expect(() => table([1, 1])).toThrow(ConfigError);
    expect(() => table([0, 1], [2, 1], [2, 1])).toThrow(/got 0, 2, 2/);
    expect(() => table([0, -1])).toThrow(/factors\[0\]\[1\].*got -1/);
    expect(() => table([0, 1], [NaN, 1])).toThrow(/factors\[1\]\[0\].*got NaN/);
  });
});

describe('warmUp', () => {
  it('rises linearly from a fraction of the rate to the full rate', () => {
    const schedule = warmUp(stepSchedule({ learningRate: 0.4, epochs: [6] }), { epochs: 4, from: 0.25 });
    const rates = [0, 2, 4, 5, 6].map((epoch) => at(schedule, epoch));
    [0.1, 0.25, 0.4, 0.4, 0.04].forEach((rate, index) => {
      expect(rates[index]).toBeCloseTo(rate, 12);
    });
  });

  it('may have length 0, and refuses a fraction above 1', () => {
    const schedule = stepSchedule({ learningRate: 1, epochs: [] });
    expect(at(warmUp(schedule, { epochs: 0, from: 0 }), 0)).toBe(1);
    expect(() => warmUp(schedule, { epochs: 1, from: 2 })).toThrow(ConfigError);
    expect(() => warmUp(schedule, { epochs: -1, from: 0 })).toThrow(/epochs.*got -1/);
  });
});

describe('exponentialSchedule', () => {
  it("has the four rates of cuda-convnet2's training on ImageNet, over equal quarters", () => {
    const schedule = exponentialSchedule({ learningRate: 0.01, factor: 250, steps: 4 });
    // dexp[base=0.01;tgtFactor=250;numSteps=4], as its documentation lists them.
    const published = [0.01, 0.0015874, 0.00025198, 0.00004];
    published.forEach((rate, quarter) => {
      for (const epoch of [quarter * 22.5, quarter * 22.5 + 22.4]) {
        expect(at(schedule, epoch) / rate).toBeCloseTo(1, 4);
      }
    });
  });

  it('stays at the last rate at and beyond the end', () => {
    const schedule = exponentialSchedule({ learningRate: 1, factor: 8, steps: 2 });
    expect(at(schedule, 10, 10)).toBe(1 / 8);
    expect(at(schedule, 99, 10)).toBe(1 / 8);
  });

  it('refuses invalid steps and factors', () => {
    for (const steps of [1, 0, 2.5, NaN]) {
      expect(() => exponentialSchedule({ learningRate: 1, factor: 10, steps })).toThrow(ConfigError);
    }
    expect(() => exponentialSchedule({ learningRate: 1, factor: 0, steps: 2 })).toThrow(/factor/);
    expect(() => exponentialSchedule({ learningRate: NaN, factor: 2, steps: 2 })).toThrow(/learningRate/);
  });
});

describe('plateauSchedule', () => {
  const after = (validationErrors: readonly number[], options = {}) =>
    plateauSchedule({ learningRate: 1, patience: 2, threshold: 0.01, ...options }).learningRate({
      epoch: validationErrors.length,
      epochs: 90,
      validationErrors,
    });

  it('drops after as many errors without improvement as it has patience', () => {
    expect(after([])).toBe(1);
    expect(after([0.5])).toBe(1);
    expect(after([0.5, 0.5])).toBe(1);
    expect(after([0.5, 0.5, 0.5])).toBe(0.1);
    expect(after([0.5, 0.5, 0.5, 0.5])).toBe(0.1);
    expect(after([0.5, 0.5, 0.5, 0.5, 0.5])).toBeCloseTo(0.01, 12);
  });

  it('starts counting again after an improvement', () => {
    expect(after([0.5, 0.5, 0.4, 0.4])).toBe(1);
    expect(after([0.5, 0.5, 0.4, 0.4, 0.4])).toBe(0.1);
  });

  it('ignores a change within the threshold, and compares with the best error, not the last', () => {
    expect(after([0.5, 0.495, 0.491])).toBe(0.1);
    expect(after([0.5, 0.7, 0.6])).toBe(0.1);
  });

  it('drops at most three times by default, or as often as specified', () => {
    const flat = new Array<number>(50).fill(0.5);
    expect(after(flat)).toBeCloseTo(1e-3, 15);
    expect(after(flat, { drops: 1 })).toBe(0.1);
    expect(after(flat, { drops: 0 })).toBe(1);
  });

  it('treats NaN as no improvement', () => {
    expect(after([0.5, NaN, NaN])).toBe(0.1);
    expect(after([NaN, NaN, 0.5])).toBe(0.1);
  });

  it('never rises as errors come in, and continues from a history read back from JSON as if never interrupted', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true })), (errors) => {
        const rates = errors.map((_, index) => after(errors.slice(0, index)));
        for (let i = 1; i < rates.length; i++) expect(rates[i]!).toBeLessThanOrEqual(rates[i - 1]!);
        expect(after(JSON.parse(JSON.stringify(errors)))).toBe(after(errors));
      }),
    );
  });

  it('refuses invalid numbers', () => {
    for (const options of [
      { patience: 0 },
      { patience: 1.5 },
      { drops: -1 },
      { drops: NaN },
      { threshold: -1 },
      { factor: NaN },
      { learningRate: Infinity },
    ]) {
      expect(() => plateauSchedule({ learningRate: 1, ...options })).toThrow(ConfigError);
      expect(() => plateauSchedule({ learningRate: 1, ...options })).toThrow(Object.keys(options)[0]!);
    }
  });
});

it.each<[string, (misspelt: object) => Schedule]>([
  ['stepSchedule', (misspelt) => stepSchedule({ learningRate: 1, epochs: [], ...misspelt })],
  ['exponentialSchedule', (misspelt) => exponentialSchedule({ learningRate: 1, factor: 2, steps: 2, ...misspelt })],
  ['plateauSchedule', (misspelt) => plateauSchedule({ learningRate: 1, ...misspelt })],
  ['tableSchedule', (misspelt) => tableSchedule({ learningRate: 1, factors: [[0, 1]], ...misspelt })],
  ['warmUp', (misspelt) => warmUp(stepSchedule({ learningRate: 1, epochs: [] }), { epochs: 1, from: 0, ...misspelt })],
])('%s refuses an option that it does not know', (name, schedule) => {
  expect(() => schedule({ patiense: 3 })).toThrow(ConfigError);
  expect(() => schedule({ patiense: 3 })).toThrow(`${name}: unknown option 'patiense'; known: `);
});
