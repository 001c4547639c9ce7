import { describe, expect, it } from 'vitest';
import type { GPUAdapterInfo } from '../platform/webgpu.js';
import { subgroupsOf } from './subgroups.js';

const all = ['subgroups', 'subgroup-size-control', 'shader-f16', 'chromium-experimental-subgroup-matrix'];

function found(least: number, most: number, features: readonly string[] = all, configs: object[] = []) {
  const info = { subgroupMinSize: least, subgroupMaxSize: most, subgroupMatrixConfigs: configs };
  return subgroupsOf({ features: new Set(features) }, info as unknown as GPUAdapterInfo);
}

describe('the subgroups of an adapter', () => {
  it('are used unchanged if they have a fixed size', () => {
    expect(found(64, 64)).toEqual({ size: 64, pinned: undefined, matrix: undefined });
  });

  it('are set to 32 lanes if their range of sizes includes it and can be controlled', () => {
    expect(found(32, 64)).toEqual({ size: 32, pinned: 32, matrix: undefined });
    expect(found(8, 32).pinned).toBe(32);
    expect(found(4, 16).size).toBeUndefined();
    expect(found(32, 64, ['subgroups']).size).toBeUndefined();
  });

  it('are not used if the adapter has none', () => {
    expect(found(32, 32, ['shader-f16']).size).toBeUndefined();
  });

  // As an NVIDIA H200 lists them.
  const config = (componentType: string, resultComponentType: string, M: number, N: number, K: number) => ({
    ...{ componentType, resultComponentType, M, N, K },
  });
  const configs = [
    config('f16', 'f16', 16, 16, 16),
    config('f16', 'f32', 16, 8, 8),
    config('f16', 'f32', 16, 16, 16),
    config('f16', 'f32', 16, 8, 16),
    config('u8', 'u32', 16, 16, 32),
  ];

  it('multiply the largest matrices of f16 that are summed in f32', () => {
    expect(found(32, 32, all, configs).matrix).toEqual({ rows: 16, columns: 16, steps: 16 });
    expect(found(32, 32, all, configs.slice(1, 2)).matrix).toEqual({ rows: 16, columns: 8, steps: 8 });
    expect(found(32, 32, all, configs.slice(4)).matrix).toBeUndefined();
  });

  it('multiply none without f16', () => {
    const features = all.filter((feature) => feature !== 'shader-f16');
    expect(found(32, 32, features, configs).matrix).toBeUndefined();
  });
});
