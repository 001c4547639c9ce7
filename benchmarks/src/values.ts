import type { HostTensor, Shape } from '@alex/tensor';
import { elementCount } from '@alex/tensor/kernels';

/** Evenly spread over -`scale` to `scale`, the same in every process. */
export function noise(length: number, scale: number, seed = 1): Float32Array {
  let state = Math.imul(seed, 0x9e37_79b1) >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state / 2 ** 31 - 1) * scale;
  });
}

/** The values of a tensor of `shape` with its axes in another order, like NumPy's `transpose`. */
export function permuted(values: Float32Array, shape: Shape, order: readonly number[]): Float32Array {
  const strides = shape.map((_, axis) => elementCount(shape.slice(axis + 1)));
  const result = new Float32Array(values.length);
  let next = 0;
  const visit = (depth: number, from: number): void => {
    const axis = order[depth]!;
    const [size, stride] = [shape[axis]!, strides[axis]!];
    if (depth === order.length - 1) for (let i = 0; i < size; i++) result[next++] = values[from + i * stride]!;
    else for (let i = 0; i < size; i++) visit(depth + 1, from + i * stride);
  };
  visit(0, 0);
  return result;
}

/** Equal parts along the first axis, in place. */
export function partsOf({ shape, data }: HostTensor, count: number): HostTensor[] {
  const length = data.length / count;
  return Array.from({ length: count }, (_, part) => ({
    shape: [shape[0]! / count, ...shape.slice(1)],
    data: data.subarray(part * length, (part + 1) * length),
  }));
}
