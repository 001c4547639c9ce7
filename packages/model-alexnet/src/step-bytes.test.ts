import { describe, expect, it } from 'vitest';
import { groupedBytes, stepBytes, totalBytes } from './testing/step-bytes.js';

describe.each([
  { precision: 'float32', gigabytes: 8.1 },
  { precision: 'mixed', gigabytes: 3.4 },
] as const)("a step of the paper's network on a large GPU: $precision", ({ precision, gigabytes }) => {
  const kernels = stepBytes({ precision });

  it(`moves no more than ${gigabytes} GB, in at most 80 dispatches`, () => {
    expect(totalBytes(kernels) / 1e9).toBeLessThan(gigabytes);
    expect(kernels.length).toBeLessThanOrEqual(80);
  });

  it('reads the weights of dense layers directly, without a copy', () => {
    expect(kernels.filter(({ label }) => /^fc\d\.weight\/copy/.test(label))).toEqual([]);
  });

  it('can be listed by layer, and the sums agree', () => {
    const groups = groupedBytes(kernels);
    expect([...groups.keys()]).toContain('conv2 input gradient');
    expect(totalBytes(groups.values())).toBe(totalBytes(kernels));
  });
});
