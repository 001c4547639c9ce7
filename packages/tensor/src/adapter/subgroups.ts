import type { GPUAdapterInfo, GPUDevice } from '../platform/webgpu.js';

/** The size of the matrices that an adapter's matrix units multiply, in f16 with sums in f32. */
export interface SubgroupMatrix {
  readonly rows: number;
  readonly columns: number;
  /** Steps of the reduction. */
  readonly steps: number;
}

/** The properties of an adapter's subgroups that kernels may rely on. */
export interface Subgroups {
  /** Lanes of a subgroup, if all have one size, or can be pinned to one. */
  readonly size: number | undefined;
  /** The size that kernels must request, if the adapter would otherwise choose one for each kernel. */
  readonly pinned: number | undefined;
  /** The largest matrices that a subgroup multiplies at once. */
  readonly matrix: SubgroupMatrix | undefined;
}

/**
 * AMD's RDNA and Intel's chips support a range. RDNA 3 pairs multiply-adds at this size only, and Intel compiles for it
 * as well.
 */
const usualSize = 32;

/** @param info - of the adapter: a device's copy lacks the matrix sizes */
export function subgroupsOf({ features }: Pick<GPUDevice, 'features'>, info: GPUAdapterInfo): Subgroups {
  const { subgroupMinSize: least, subgroupMaxSize: most } = info;
  const none = { size: undefined, pinned: undefined, matrix: undefined };
  if (!features.has('subgroups')) return none;
  if (least === most) return { size: least, pinned: undefined, matrix: matrixOf(features, info) };
  if (!features.has('subgroup-size-control') || usualSize < least || usualSize > most) return none;
  return { size: usualSize, pinned: usualSize, matrix: matrixOf(features, info) };
}

function matrixOf(features: ReadonlySet<string>, info: GPUAdapterInfo): SubgroupMatrix | undefined {
  if (!features.has('chromium-experimental-subgroup-matrix') || !features.has('shader-f16')) return undefined;
  const configs = [...(info.subgroupMatrixConfigs ?? [])].filter(
    ({ componentType, resultComponentType }) => componentType === 'f16' && resultComponentType === 'f32',
  );
  const [largest] = configs.sort((a, b) => b.M * b.N * b.K - a.M * a.N * a.K);
  return largest && { rows: largest.M, columns: largest.N, steps: largest.K };
}
