import type { Gpu } from '../adapter/gpu.js';

/**
 * Into how many parts to cut a sweep: an invocation that walks along `length` elements and keeps in registers what
 * neighbours share, where `lanes` such walks go side by side. Every part loads what its neighbour holds again, so a sweep
 * is cut only where an adapter with thousands of lanes would else be idle, or wait for its memory.
 */
export function sweepParts({ description }: Pick<Gpu, 'description'>, length: number, lanes: number): number {
  const busyLanes = description.kind === 'hardware' ? 131_072 : 16_384;
  const leastLength = 16;
  return Math.max(1, Math.min(Math.ceil(busyLanes / lanes), Math.ceil(length / leastLength)));
}

/** How a kernel of one formula for all of some neighbouring values reaches them. */
export interface ValuesAtOnce {
  /** Values that an invocation loads, computes and stores at once. */
  readonly width: 1 | 4;
  /** What `load` and `store` are followed by: `load4_input`. */
  readonly suffix: '' | '4';
  /** WGSL types `Values`, of `f32`, `Places`, of `u32`, and `Truths`. */
  readonly types: string;
}

/**
 * Four neighbours an invocation where their number, `count`, allows; else one. A GPU's memory is twice as fast for large
 * loads, and software drivers pay for each load: normalization takes lavapipe a third to three quarters of the time, and
 * SwiftShader no longer.
 */
export function valuesOf(count: number): ValuesAtOnce {
  if (count % 4 === 0) {
    const types = 'alias Values = vec4f; alias Places = vec4u; alias Truths = vec4<bool>;';
    return { width: 4, suffix: '4', types };
  }
  return { width: 1, suffix: '', types: 'alias Values = f32; alias Places = u32; alias Truths = bool;' };
}

/**
 * WGSL that runs a statement for each offset in `[first, last)`: written out where they are few, since software drivers
 * pay more for a loop than for what is in it; else as a loop. The statement gets the offset as WGSL text.
 */
export function forEachOffset(first: number, last: number, statement: (offset: string) => string): string {
  if (last - first <= 8) {
    return Array.from({ length: Math.max(0, last - first) }, (_, i) => statement(`${first + i}`)).join('\n');
  }
  return `for (var offset = ${first}; offset < ${last}; offset++) { ${statement('offset')} }`;
}
