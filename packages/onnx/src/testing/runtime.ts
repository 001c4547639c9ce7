import type { HostTensor } from '@alex/tensor';
import { InferenceSession, Tensor } from 'onnxruntime-node';

/**
 * Computes a model with ONNX Runtime, on the processor; its only input becomes its only output. It is pinned to 1.27: version
 * 1.30 reports its use to Microsoft, and leaves files among the temporary ones.
 */
export async function runModel(model: Uint8Array, { shape, data }: HostTensor): Promise<HostTensor> {
  const session = await InferenceSession.create(model, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'disabled',
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  try {
    const results = await session.run({ [session.inputNames[0]!]: new Tensor('float32', data, shape) });
    const output = results[session.outputNames[0]!]!;
    return { shape: [...output.dims], data: Float32Array.from(output.data as Float32Array) };
  } finally {
    await session.release();
  }
}

/** The largest difference between two tensors of the same shape, relative to the largest magnitude of the second, if it is above 1. */
export function difference(one: HostTensor, other: HostTensor): number {
  if (one.shape.join() !== other.shape.join()) return Number.NaN;
  let [largest, magnitude] = [0, 1];
  for (let i = 0; i < one.data.length; i++) {
    const gap = Math.abs(one.data[i]! - other.data[i]!);
    largest = Math.max(largest, Number.isNaN(gap) ? Number.POSITIVE_INFINITY : gap);
    magnitude = Math.max(magnitude, Math.abs(other.data[i]!));
  }
  return largest / magnitude;
}
