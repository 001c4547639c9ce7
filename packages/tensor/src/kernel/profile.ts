import type { Gpu } from '../adapter/gpu.js';
import { ConfigError } from '../errors.js';
import type { GPUCommandEncoder, GPUComputePassEncoder } from '../platform/webgpu.js';
import type { Dispatch } from './recorder.js';
import { createStopwatch, hostClock } from './stopwatch.js';
import { type Traffic, trafficOf } from './traffic.js';

/** How long a dispatch took, and the bytes that it must move. */
export interface DispatchTiming {
  readonly label: string;
  /** When it started, by `performance.now()`. */
  readonly start: number;
  readonly milliseconds: number;
  /** Of tensors that it reads, and of those that it writes; an updated tensor counts twice. */
  readonly bytes: number;
  /** The number of the adapter, if there are several; for a transfer, that of the receiver. */
  readonly adapter?: number;
  /** The number of the sending adapter, for a transfer by the host instead of a dispatch. */
  readonly from?: number;
}

/** Runs dispatches, each in a separate pass that the adapter times. */
export async function timed(
  gpu: Gpu,
  dispatches: readonly Dispatch[],
  run: (
    encodePass: (encoder: GPUCommandEncoder, index: number, encode: (pass: GPUComputePassEncoder) => void) => void,
    afterwards: (encoder: GPUCommandEncoder) => void,
  ) => Promise<void>,
): Promise<DispatchTiming[]> {
  if (!gpu.features.has('timestamp-query'))
    throw new ConfigError('this adapter has no timestamps (feature timestamp-query)');
  const toHost = await hostClock(gpu);
  const stopwatch = createStopwatch(gpu, dispatches.length);
  try {
    await run(
      (encoder, index, encode) => {
        const pass = encoder.beginComputePass({ timestampWrites: stopwatch.around(index) });
        encode(pass);
        pass.end();
      },
      (encoder) => stopwatch.resolve(encoder),
    );
    await gpu.finished();
    const times = await stopwatch.read();
    return dispatches.map((dispatch, index) => {
      const { begin, end } = times[index]!;
      return {
        label: dispatch.label,
        start: toHost(begin),
        milliseconds: Number(end - begin) / 1e6,
        bytes: bytesMoved(trafficOf(dispatch)),
      };
    });
  } finally {
    stopwatch.dispose();
  }
}

function bytesMoved({ read, written }: Traffic): number {
  return read + written;
}
