import { platform } from '#platform';
import { openGpu } from '../adapter/adapters.js';
import type { AdapterDescription, Gpu, GpuOptions } from '../adapter/gpu.js';
import { ShapeError } from '../errors.js';
import { checkOptions } from '../option-checks.js';
import { normalPairFromBits, streamOf, threefryInto } from '../random/threefry.js';
import { elementCount, type HostTensor, type Shape } from '../shape.js';

const opened = new Map<string, Promise<Gpu>>();

/**
 * The adapter of `ALEX_ADAPTER`, or else the best one, opened once per process for each set of options.
 *
 * @param kind the kind of adapter that kernels see: with `hardware`, a software driver runs the kernels meant for GPUs
 */
export function testGpu(options: GpuOptions = {}, kind?: AdapterDescription['kind']): Promise<Gpu> {
  checkOptions('testGpu', options, ['subgroups', 'bindingBytes', 'memoryBytes']);
  const adapter = platform.variable('ALEX_ADAPTER');
  const key = JSON.stringify([options, kind]);
  let gpu = opened.get(key);
  if (!gpu) {
    gpu = openGpu({ ...options, ...(adapter ? { adapter } : {}) }).then((own) => {
      if (kind) Object.defineProperty(own, 'description', { value: { ...own.description, kind } });
      return own;
    });
    opened.set(key, gpu);
  }
  return gpu;
}

/** The largest difference, as a fraction of the largest expected magnitude. */
export function relativeError(got: ArrayLike<number>, want: ArrayLike<number>): number {
  if (got.length !== want.length) throw new ShapeError(`${got.length} values against ${want.length}`);
  let difference = 0;
  let magnitude = 0;
  for (let i = 0; i < want.length; i++) {
    const gap = Math.abs(got[i]! - want[i]!);
    // NaN must never pass for a match.
    if (Number.isNaN(gap)) return Infinity;
    difference = Math.max(difference, gap);
    magnitude = Math.max(magnitude, Math.abs(want[i]!));
  }
  return magnitude === 0 ? difference : difference / magnitude;
}

/** Normal values with standard deviation `scale` that depend only on the seed. */
export function randomTensor(shape: Shape, seed: number, scale = 1): HostTensor {
  const data = new Float32Array(elementCount(shape));
  const stream = streamOf('test');
  const bits = new Uint32Array(2);
  for (let i = 0; i < data.length; i++) {
    threefryInto(bits, seed, stream, i, 0);
    data[i] = scale * normalPairFromBits(bits[0]!, bits[1]!)[0];
  }
  return { shape: [...shape], data };
}
