import type { Gpu } from '../adapter/gpu.js';
import {
  GPUBufferUsage,
  type GPUCommandEncoder,
  type GPUComputePassTimestampWrites,
  GPUMapMode,
} from '../platform/webgpu.js';

/** Times passes by the clock of an adapter with the feature `timestamp-query`. */
export interface Stopwatch {
  /** The timestamp option of the pass with this number. */
  around(pass: number): GPUComputePassTimestampWrites;
  /** Makes the times readable, after the last pass. */
  resolve(encoder: GPUCommandEncoder): void;
  /** In nanoseconds, by the adapter's clock. */
  read(): Promise<{ readonly begin: bigint; readonly end: bigint }[]>;
  dispose(): void;
}

export function createStopwatch(gpu: Gpu, passes: number): Stopwatch {
  const count = 2 * passes;
  const querySet = gpu.device.createQuerySet({ type: 'timestamp', count });
  const label = 'timestamps';
  const size = count * 8;
  const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const resolved = gpu.createBuffer({ label, size, usage: QUERY_RESOLVE | COPY_SRC });
  const staging = gpu.createBuffer({ label, size, usage: MAP_READ | COPY_DST });
  return {
    around: (pass) => ({ querySet, beginningOfPassWriteIndex: 2 * pass, endOfPassWriteIndex: 2 * pass + 1 }),
    resolve(encoder) {
      encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
    },
    async read() {
      await staging.mapAsync(GPUMapMode.READ);
      const nanoseconds = new BigUint64Array(staging.getMappedRange());
      const times = Array.from({ length: passes }, (_, pass) => ({
        begin: nanoseconds[2 * pass]!,
        end: nanoseconds[2 * pass + 1]!,
      }));
      staging.unmap();
      return times;
    },
    dispose() {
      querySet.destroy();
      gpu.destroyBuffer(resolved);
      gpu.destroyBuffer(staging);
    },
  };
}

/** Converts nanoseconds of an adapter's clock to milliseconds of `performance.now()`. */
export type ToHostClock = (nanoseconds: bigint) => number;

const tries = 5;
/** Clocks drift apart by microseconds per second. */
const goodForMilliseconds = 10_000;

const known = new WeakMap<Gpu, { readonly toHost: ToHostClock; readonly since: number }>();

/** The mapping from an adapter's clock to that of the host. */
export async function hostClock(gpu: Gpu): Promise<ToHostClock> {
  const before = known.get(gpu);
  if (before && performance.now() - before.since < goodForMilliseconds) return before.toHost;
  const toHost = await compareClocks(gpu);
  known.set(gpu, { toHost, since: performance.now() });
  return toHost;
}

/** An empty pass runs between two moments on the host; the attempt in which these are closest is the most accurate. */
async function compareClocks(gpu: Gpu): Promise<ToHostClock> {
  const stopwatch = createStopwatch(gpu, 1);
  try {
    let best = { apart: Infinity, host: 0, adapter: 0n };
    for (let attempt = 0; attempt < tries; attempt++) {
      await gpu.finished();
      const encoder = gpu.device.createCommandEncoder();
      encoder.beginComputePass({ timestampWrites: stopwatch.around(0) }).end();
      stopwatch.resolve(encoder);
      const before = performance.now();
      gpu.device.queue.submit([encoder.finish()]);
      await gpu.finished();
      const after = performance.now();
      const [time] = await stopwatch.read();
      if (after - before < best.apart)
        best = { apart: after - before, host: (before + after) / 2, adapter: time!.begin };
    }
    return (nanoseconds) => best.host + Number(nanoseconds - best.adapter) / 1e6;
  } finally {
    stopwatch.dispose();
  }
}
