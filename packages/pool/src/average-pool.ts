import type { Layer } from '@alex/tensor';
import { checkBoolean, checkOptions, forEachOffset, recordPerElement } from '@alex/tensor/kernels';
import { gatherWindows, sweepWindows } from './kernels.js';
import { checkPooling, type PoolOptions, pooledShape, poolOptionNames } from './pooling.js';

/** Options of `averagePool`. */
export interface AveragePoolOptions extends PoolOptions {
  /**
   * False, the default: a window's sum is divided by the number of its elements inside the image, as in cuda-convnet
   * and by default in ONNX. True: padding counts too, as zeros, as in Caffe and by default in PyTorch; elements beyond
   * the padding (`rounding: 'ceil'`) do not.
   */
  readonly countPadding?: boolean;
}

/**
 * Average pooling of images: `[N, C, H, W]` to `[N, C, H', W']`, the mean of each window.
 *
 * With `rounding: 'ceil'`, a last window may extend beyond the far border if it starts inside the image or its leading
 * padding; it is clipped.
 *
 * @throws ConfigError immediately, for an invalid option; ShapeError if the input is not `[N, C, H, W]` or no window
 * fits
 *
 * @example
 * That of cuda-convnet's networks for CIFAR-10, from `[N, 32, 16, 16]` to `[N, 32, 8, 8]`:
 * ```ts
 * averagePool({ size: 3, stride: 2, rounding: 'ceil' });
 * ```
 */
export function averagePool(options: AveragePoolOptions): Layer {
  checkOptions('averagePool', options, [...poolOptionNames, 'countPadding']);
  const pooling = checkPooling('averagePool', options);
  const { name, size, stride, padding } = pooling;
  const countPadding = options.countPadding ?? false;
  checkBoolean(name, 'countPadding', countPadding);
  /** WGSL: the number of counted elements of the window whose corner is at `top`, `left`. */
  const counted = (height: number, width: number) =>
    countPadding
      ? `f32((min(top + ${size[0]}, ${height + padding.bottom}) - top) * (min(left + ${size[1]}, ${width + padding.right}) - left))`
      : `f32((min(top + ${size[0]}, ${height}) - max(top, 0)) * (min(left + ${size[1]}, ${width}) - max(left, 0)))`;
  return {
    kind: 'averagePool',
    name,
    options: { size, stride, padding, rounding: pooling.rounding, countPadding },
    window: { size, stride },
    outputShape: (input) => pooledShape(pooling, input),
    parameters: () => [],
    multiplyAdds: () => 0,
    forward(recorder, { input }) {
      const output = recorder.activation(`${name}/output`, pooledShape(pooling, input.shape));
      const [batch, , height, width] = input.shape as [number, number, number, number];
      const { values, ...sweep } = sweepWindows(
        recorder,
        pooling,
        input.shape,
        output.shape,
        (rows, { suffix }) => `store${suffix}_output(index, (${rows.join(' + ')}) / ${counted(height, width)});`,
      );
      const images = batch / values.width;
      recordPerElement(recorder, {
        label: `${name}/forward`,
        reads: { input },
        writes: { output },
        vectors: values.width === 4 ? ['input', 'output'] : [],
        ...sweep,
        functions: `
${values.types}
alias Row = Values;
fn element(start: i32, column: i32) -> Values {
  let near = clamp(column, 0, ${width - 1});
  return select(Values(), load${values.suffix}_input(u32(start + near * ${images})), near == column);
}
fn reduceRow(base: i32, row: i32, left: i32) -> Values {
  if (row < 0 || row >= ${height}) { return Values(); }
  let start = base + row * ${width * images};
  var sum = element(start, left);
  ${forEachOffset(1, size[1], (offset) => `sum += element(start, left + ${offset});`)}
  return sum;
}`,
      });
      return { output };
    },
    takesGradientEpilogue: true,
    backward(recorder, { input, outputGradient, needsInputGradient, epilogue }) {
      if (!needsInputGradient) return {};
      const inputGradient = recorder.activation(`${name}/inputGradient`, input.shape);
      const [, , height, width] = input.shape as [number, number, number, number];
      const { values, ...gather } = gatherWindows(pooling, input.shape, outputGradient.shape, {
        forWindow: ({ suffix }) => `
      let top = outputRow * ${stride[0]} - ${padding.top};
      let left = outputColumn * ${stride[1]} - ${padding.left};
      let gradient = load${suffix}_gradient(index) / ${counted(height, width)};`,
        share: () => 'gradient',
        epilogue,
      });
      recordPerElement(recorder, {
        label: `${name}/backward`,
        reads: { gradient: outputGradient, ...(epilogue && { input }) },
        writes: { result: inputGradient },
        vectors: values.width === 4 ? ['gradient', 'result', ...(epilogue ? ['input'] : [])] : [],
        functions: values.types,
        ...gather,
      });
      return { inputGradient };
    },
    column() {
      return this;
    },
  };
}
