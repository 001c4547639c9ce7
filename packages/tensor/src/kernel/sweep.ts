import type { Gpu } from '../adapter/gpu.js';

/**
 * The number of parts to divide a sweep into. A sweep is an invocation that walks along `length` elements and keeps
 * values shared by neighbours in registers, with `lanes` such walks in parallel. Every part loads its neighbour's
 * border again, so a sweep is divided only if an adapter with thousands of lanes would otherwise be idle, or wait for
 * memory.
 */
export function sweepParts({ description }: Pick<Gpu, 'description'>, length: number, lanes: number): number {
  const busyLanes = description.kind === 'hardware' ? 131_072 : 16_384;
  const leastLength = 16;
  return Math.max(1, Math.min(Math.ceil(busyLanes / lanes), Math.ceil(length / leastLength)));
}

/** How an elementwise kernel accesses one or several consecutive values. */
export interface ValuesAtOnce {
  /** Values that an invocation loads, computes and stores at once. */
  readonly width: 1 | 4;
  /** The suffix of `load` and `store`: `load4_input`. */
  readonly suffix: '' | '4';
  /** WGSL types `Values`, of `f32`, `Places`, of `u32`, and `Truths`. */
  readonly types: string;
}

/**
 * Four consecutive values per invocation if their number, `count`, allows; otherwise one. Large loads double the memory
 * throughput of a GPU, and software drivers pay for each load: normalization takes a third to three quarters of the
 * time on lavapipe, and no longer on SwiftShader.
 */
export function valuesOf(count: number): ValuesAtOnce {
  if (count % 4 === 0) {
    const types = 'alias Values = vec4f; alias Places = vec4u; alias Truths = vec4<bool>;';
    return { width: 4, suffix: '4', types };
  }
  return { width: 1, suffix: '', types: 'alias Values = f32; alias Places = u32; alias Truths = bool;' };
}

/**
 * WGSL that runs a statement for each offset in `[first, last)`. A few are unrolled, since on software drivers a loop
 * costs more than its body; many are a loop. The statement gets the offset as WGSL text.
 */
export function forEachOffset(first: number, last: number, statement: (offset: string) => string): string {
  if (last - first <= 8) {
    return Array.from({ length: Math.max(0, last - first) }, (_, i) => statement(`${first + i}`)).join('\n');
  }
  return `for (var offset = ${first}; offset < ${last}; offset++) { ${statement('offset')} }`;
}
