import type { Shape } from '@alex/tensor';
import { outputSize, type Padding } from '@alex/tensor/kernels';
import type { PoolOptions } from '../layer-options.js';

/** ONNX's order of paddings: the beginnings of all axes, then their ends. */
export function padsOf({ top, left, bottom, right }: Padding): number[] {
  return [top, left, bottom, right];
}

/** How a pooling layer's windows are written. */
export interface WrittenWindows {
  readonly padding: Padding;
  readonly ceil: boolean;
  /** Whether the padding reaches beyond the layer's own, to where its last windows end. */
  readonly reaches: boolean;
}

/**
 * Windows that every program counts alike. Where a last window would start in the far padding, programs disagree about
 * `ceil_mode`: PyTorch and Caffe leave it out, ONNX did not until opset 22. So `ceil_mode` is written where it adds a window on each
 * axis on which it could, and otherwise the padding that includes the same windows.
 */
export function writtenWindows(options: PoolOptions, [, , height = 0, width = 0]: Shape): WrittenWindows {
  const { size, stride, padding, rounding } = options;
  const axes = [
    { input: height, size: size[0], stride: stride[0], before: padding.top, after: padding.bottom },
    { input: width, size: size[1], stride: stride[1], before: padding.left, after: padding.right },
  ].map((axis) => {
    const count = (how: 'floor' | 'ceil') =>
      outputSize(axis.input, axis.size, axis.stride, axis.before, axis.after, how);
    const end = (count(rounding) - 1) * axis.stride + axis.size - axis.input - axis.before;
    const naive = 1 + Math.ceil((axis.input + axis.before + axis.after - axis.size) / axis.stride);
    return {
      asFloor: count(rounding) === count('floor'),
      asCeil: count(rounding) === naive,
      after: Math.max(end, axis.after),
    };
  });
  if (axes.every(({ asFloor }) => asFloor)) return { padding, ceil: false, reaches: false };
  if (axes.every(({ asCeil }) => asCeil)) return { padding, ceil: true, reaches: false };
  return { padding: { ...padding, bottom: axes[0]!.after, right: axes[1]!.after }, ceil: false, reaches: true };
}
