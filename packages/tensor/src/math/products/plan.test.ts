import { describe, expect, it } from 'vitest';
import { isRiskyProduct, planProduct, productChoices } from './plan.js';
import type { ProductShape } from './shape.js';
import type { ProductAdapter } from './table.js';

const matrix = { rows: 16, columns: 16, steps: 16 };
const large = { maxComputeInvocationsPerWorkgroup: 1024, maxComputeWorkgroupStorageSize: 49_152 };
const card = (more: Partial<ProductAdapter> = {}, vendor = 'nvidia'): ProductAdapter => ({
  subgroupSize: 32,
  subgroupMatrix: matrix,
  limits: large,
  description: { kind: 'hardware', vendor },
  ...more,
});

const side = (along: 'result' | 'steps', contiguous: number) => ({ along, contiguous });

/** conv2 of the paper's network at batch 128: 128 filters per group, 48 channels, 25 positions. */
const forward: ProductShape = {
  ...{ rows: 128, columns: 27 * 27 * 128, batches: 2, depth: 48, reductions: 25, uncut: true },
  ...{ rowSide: side('result', 128), columnSide: side('result', 128) },
};
const weightGradient: ProductShape = {
  ...{ rows: 128, columns: 1200, batches: 2, depth: 128, reductions: 729 },
  ...{ rowSide: side('steps', 128), columnSide: side('steps', 128) },
};

const firstFor = (adapter: ProductAdapter, shape: ProductShape) => productChoices(adapter, shape).candidates[0]!;

describe('products on a GPU', () => {
  it('run on matrix units if they are stored as f16 and the adapter has such units', () => {
    expect(firstFor(card(), { ...forward, halves: true }).share).toBe('matrix');
    expect(firstFor(card(), forward).share).toBe('workgroup');
    expect(firstFor(card({ subgroupMatrix: undefined }), { ...forward, halves: true }).share).toBe('workgroup');
    const software: ProductAdapter = { ...card({ subgroupSize: 8 }), description: { kind: 'software' } };
    expect(firstFor(software, { ...forward, halves: true }).share).toBe('subgroup');
  });

  it('are risky on matrix units, and nowhere else', () => {
    const { candidates } = productChoices(card(), { ...forward, halves: true });
    const shares = (risky: boolean) =>
      new Set(candidates.flatMap((choice) => (isRiskyProduct(choice) === risky ? [choice.share] : [])));
    expect(shares(true)).toEqual(new Set(['matrix']));
    expect(shares(false)).not.toContain('matrix');
  });

  it("on matrix units keep fewer sums on AMD's compiler: more would spill", () => {
    const largest = (vendor: string) => {
      const { candidates } = productChoices(card({}, vendor), { ...forward, halves: true });
      const staged = candidates.filter(({ share }) => share === 'matrix');
      return Math.max(...staged.map(({ tile }) => tile.rows * tile.columns));
    };
    expect(largest('nvidia')).toBe(64 * 64);
    expect(largest('amd')).toBe(48 * 64);
  });

  it('have rounds that are filled by the steps of a repeated reduction', () => {
    const roundOf = (shape: ProductShape) => planProduct(card(), shape, firstFor(card(), shape)).roundSteps;
    expect(roundOf({ ...forward, halves: true })).toBe(48);
    expect(roundOf(forward)).toBe(16);
    expect(roundOf({ ...forward, depth: 20 })).toBe(20);
    // Nothing near 16 divides it.
    expect(roundOf({ ...forward, depth: 3 })).toBe(16);
  });

  it('split a long reduction if the result alone leaves the adapter idle, and only if it may be split', () => {
    expect(firstFor(card(), weightGradient).splitK).toBeGreaterThan(8);
    expect(firstFor(card(), { ...weightGradient, uncut: true }).splitK).toBe(1);
    expect(firstFor(card(), forward).splitK).toBe(1);
    const splits = productChoices(card(), weightGradient).candidates.map(({ splitK }) => splitK);
    expect(new Set(splits).size).toBeGreaterThan(2);
  });

  it('are cut into as many parts as there are: 169 positions in parts of 6 give 29, not 32', () => {
    const positions = 169;
    const { candidates } = productChoices(card(), { ...weightGradient, reductions: positions });
    const staged = candidates.filter(({ share }) => share === 'workgroup');
    expect(staged.length).toBeGreaterThan(5);
    for (const { splitK } of staged) expect(Math.ceil(positions / Math.ceil(positions / splitK!))).toBe(splitK);
  });

  it('are cut into fewer parts with matrix units, because sums take as much memory time as before', () => {
    const half = { ...weightGradient, halves: true };
    expect(firstFor(card(), half).share).toBe('matrix');
    expect(firstFor(card(), half).splitK).toBeLessThan(firstFor(card(), weightGradient).splitK!);
  });

  it('give the tuner clearly different numbers of parts', () => {
    const { candidates } = productChoices(card(), weightGradient);
    const [first] = candidates;
    const ofTile = candidates.filter(({ tile }) => JSON.stringify(tile) === JSON.stringify(first!.tile));
    const numbers = ofTile.map(({ splitK }) => splitK!).sort((a, b) => a - b);
    expect(numbers.length).toBeGreaterThan(2);
    for (const [index, number] of numbers.slice(1).entries()) {
      expect(number / numbers[index]!).toBeGreaterThanOrEqual(1.5);
    }
  });

  it('respect the memory and the number of invocations of a workgroup', () => {
    const limits = { maxComputeInvocationsPerWorkgroup: 128, maxComputeWorkgroupStorageSize: 16_384 };
    const { candidates } = productChoices(card({ limits, subgroupMatrix: undefined }), weightGradient);
    const staged = candidates.filter(({ share }) => share === 'workgroup');
    expect(staged.length).toBeGreaterThan(0);
    for (const choice of staged) {
      const { blockRows, blockColumns, roundSteps } = planProduct(card(), weightGradient, choice);
      expect(choice.tile.workgroupSize).toBeLessThanOrEqual(128);
      expect(4 * roundSteps * (blockRows + blockColumns)).toBeLessThanOrEqual(16_384);
    }
  });

  it('fill the waves of 64 lanes', () => {
    for (const shape of [forward, weightGradient]) {
      const { candidates } = productChoices(card({ subgroupSize: 64, subgroupMatrix: undefined }, 'amd'), shape);
      for (const { share, tile } of candidates) if (share === 'workgroup') expect(tile.workgroupSize % 64).toBe(0);
      expect(candidates[0]!.share).toBe('workgroup');
    }
  });
});
