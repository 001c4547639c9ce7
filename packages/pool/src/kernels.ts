import type { Recorder, Shape } from '@alex/tensor';
import {
  type GradientEpilogue,
  type GradientGather,
  storeGradientAfter,
  sweepParts,
  type ValuesAtOnce,
  valuesOf,
} from '@alex/tensor/kernels';
import type { Pooling } from './pooling.js';

/**
 * WGSL for `recordPerElement`, and how it accesses values: those of one image, or of four neighbouring images, at the
 * same position.
 */
export interface Kernel {
  readonly values: ValuesAtOnce;
  readonly elements: number;
  readonly body: string;
}

/**
 * Forward: one invocation sweeps down a part of a column of windows. A WGSL function `reduceRow(base, row, left)`
 * computes a `Row` from each row of a window; the last ones stay in registers, so that rows shared by windows are
 * loaded once. Rows outside the image are passed to it unchanged. Lanes run over images, then columns of windows; the
 * row is the same for all. Elements are counted in units of an invocation's values.
 */
export function sweepWindows(
  { gpu }: Recorder,
  pooling: Pooling,
  inputShape: Shape,
  outputShape: Shape,
  /**
   * WGSL that stores element `index` of the output from the rows' results; `top` and `left` of the window are in scope.
   */
  store: (rows: readonly string[], values: ValuesAtOnce) => string,
): Kernel {
  const { size, stride, padding } = pooling;
  const [batch, channels, height, width] = inputShape as [number, number, number, number];
  const values = valuesOf(batch);
  const images = batch / values.width;
  const [, , outputHeight, outputWidth] = outputShape as [number, number, number, number];
  const lineLength = outputWidth * images;
  const lines = channels * lineLength;
  const parts = sweepParts(gpu, outputHeight, lines);
  const length = Math.ceil(outputHeight / parts);
  const rows = Array.from({ length: size[0] }, (_, row) => `row${row}`);
  return {
    values,
    elements: lines * parts,
    body: `
  let line = i32(i) % ${lines};
  let map = line / ${lineLength};
  let inLine = line % ${lineLength};
  let base = map * ${height * width * images} + inLine % ${images};
  let left = inLine / ${images} * ${stride[1]} - ${padding.left};
  var outputRow = i32(i) / ${lines} * ${length};
  let last = min(outputRow + ${length}, ${outputHeight});
  var top = outputRow * ${stride[0]} - ${padding.top};
  ${rows.map((row) => `var ${row}: Row;`).join(' ')}
  for (var row = top; outputRow < last; row++) {
    ${stride[0] > size[0] ? 'if (row < top) { continue; } // between two windows' : ''}
    ${rows.map((register, age) => `${register} = ${rows[age + 1] ?? 'reduceRow(base, row, left)'};`).join(' ')}
    if (row == top + ${size[0] - 1}) {
      let index = u32((map * ${outputHeight} + outputRow) * ${lineLength} + inLine);
      ${store(rows, values)}
      outputRow++;
      top += ${stride[0]};
    }
  }`,
  };
}

/**
 * Backward, without scattering: one invocation gathers the gradients of a small block of input elements from every
 * window that contains one of them, and loads the values of each window once. Lanes run over images, then blocks of
 * columns. Elements are counted in units of an invocation's values.
 */
export function gatherWindows(
  pooling: Pooling,
  inputShape: Shape,
  outputShape: Shape,
  wgsl: {
    /** Runs once for each element `at` of the input; `e` is its number within the block. */
    readonly forElement?: (e: number, values: ValuesAtOnce) => string;
    /** Runs once for each window: element `index` of the output, at `outputRow` and `outputColumn`. */
    readonly forWindow: (values: ValuesAtOnce) => string;
    /**
     * What the window adds to the gradient of element `e`, which it contains; `number` is WGSL for the element's number
     * in the window, in row-major order.
     */
    readonly share: (e: number, number: string) => string;
    /** The operation of the layer below on each gradient; the input is then available as `input`. */
    readonly epilogue: GradientEpilogue | undefined;
  },
): Kernel {
  const { size, stride, padding } = pooling;
  const [batch, channels, height, width] = inputShape as [number, number, number, number];
  const [, , outputHeight, outputWidth] = outputShape as [number, number, number, number];
  const values = valuesOf(batch);
  const images = batch / values.width;
  const vertical = blocksOf(size[0], stride[0], padding.top, height);
  const horizontal = blocksOf(size[1], stride[1], padding.left, width);
  const elements = Array.from({ length: vertical.length * horizontal.length }, (_, e) => ({
    e,
    row: Math.floor(e / horizontal.length),
    column: e % horizontal.length,
  }));
  /** Visits the window at `outputRow` and `outputColumn`, given its distance in windows from the last one, if known. */
  const visit = (rowsBack?: number, columnsBack?: number) => `
      let rowInWindow = cornerRow - outputRow * ${stride[0]};
      let columnInWindow = cornerColumn - outputColumn * ${stride[1]};
      let index = u32(((map * ${outputHeight} + outputRow) * ${outputWidth} + outputColumn) * ${images} + image);
      ${wgsl.forWindow(values)}
      ${elements
        .map(({ e, row, column }) => {
          const holds = [
            vertical.holds(row, rowsBack) ?? `(rowInWindow < ${size[0] - row})`,
            horizontal.holds(column, columnsBack) ?? `(columnInWindow < ${size[1] - column})`,
          ];
          if (holds.includes(false)) return '';
          const conditions = holds.filter((condition) => condition !== true);
          const inRow = vertical.position(row, rowsBack) ?? `(rowInWindow + ${row})`;
          const inColumn = horizontal.position(column, columnsBack) ?? `(columnInWindow + ${column})`;
          const share = wgsl.share(e, `u32(${inRow} * ${size[1]} + ${inColumn})`);
          return `gradient${e} += ${conditions.length > 0 ? `select(Values(), ${share}, ${conditions.join(' & ')})` : share};`;
        })
        .join(' ')}`;
  // A few windows are unrolled, since loops cost software drivers more than the work per window. Many would make a long
  // text, which takes them seconds to compile.
  const windows = vertical.windows * horizontal.windows;
  const visits =
    windows <= 9
      ? Array.from({ length: windows }, (_, window) => {
          const [rowsBack, columnsBack] = [Math.floor(window / horizontal.windows), window % horizontal.windows];
          return `{
    let outputRow = lastRow - ${rowsBack};
    let outputColumn = lastColumn - ${columnsBack};
    if ((u32(outputRow) < ${outputHeight}) & (u32(outputColumn) < ${outputWidth})) {${visit(rowsBack, columnsBack)}
    }
  }`;
        }).join('\n  ')
      : `
  for (var outputRow = max(0, lastRow - ${vertical.windows - 1}); outputRow <= min(lastRow, ${outputHeight - 1}); outputRow++) {
    for (var outputColumn = max(0, lastColumn - ${horizontal.windows - 1}); outputColumn <= min(lastColumn, ${outputWidth - 1}); outputColumn++) {${visit()}
    }
  }`;
  return {
    values,
    elements: channels * vertical.count * horizontal.count * images,
    body: `
  let place = i32(i);
  let image = place % ${images};
  // Of the block's corner, counted from the corner of the padded image; a block never spans two strides.
  let cornerColumn = (place / ${images} % ${horizontal.count} + ${horizontal.first}) * ${horizontal.length};
  let cornerRow = (place / ${images * horizontal.count} % ${vertical.count} + ${vertical.first}) * ${vertical.length};
  let map = place / ${images * horizontal.count * vertical.count};
  ${elements
    .map(
      ({ e, row, column }) => `
  let row${e} = cornerRow + ${row - padding.top};
  let column${e} = cornerColumn + ${column - padding.left};
  let inside${e} = (u32(row${e}) < ${height}) & (u32(column${e}) < ${width});
  let at${e} = u32(((map * ${height} + clamp(row${e}, 0, ${height - 1})) * ${width} + clamp(column${e}, 0, ${width - 1})) * ${images} + image);
  var gradient${e} = Values();
  ${wgsl.forElement?.(e, values) ?? ''}`,
    )
    .join('')}
  let lastRow = cornerRow / ${stride[0]};
  let lastColumn = cornerColumn / ${stride[1]};
  ${visits}
  ${elements
    .map(({ e }) => {
      const store = (gradient: string) => `store${values.suffix}_result(at${e}, ${gradient});`;
      return `if (inside${e}) { ${storeGradientAfter(wgsl.epilogue, `gradient${e}`, `load${values.suffix}_input(at${e})`, values.width, store)} }`;
    })
    .join('\n  ')}`,
  };
}

/** The most windows that contain an element; more would make a long text. */
const mostWindows = 9;

/**
 * The gradient of one position of the input, four images at a time, from every window that contains it.
 *
 * @param share WGSL for the contribution of element `index` of the output, a `u32` expression, to the gradient; `number` is the
 * position's number in its window, row by row, or that of no position
 */
export function gatherPlace(
  { size, stride, padding }: Pooling,
  inputShape: Shape,
  outputShape: Shape,
  share: (index: string, number: string) => string,
): Pick<GradientGather, 'begin' | 'at'> | undefined {
  const [batch] = inputShape as [number];
  const [, , outputHeight, outputWidth] = outputShape as [number, number, number, number];
  const images = batch / 4;
  const [down, across] = [Math.ceil(size[0] / stride[0]), Math.ceil(size[1] / stride[1])];
  if (down * across > mostWindows) return undefined;
  // In the order of `gatherWindows`, so that sums have the same bits.
  const windows = Array.from({ length: down * across }, (_, window) => window);
  const begin = windows.map((window) => {
    const [rowsBack, columnsBack] = [Math.floor(window / across), window % across];
    return `let outputRow${window} = (row + ${padding.top}) / ${stride[0]} - ${rowsBack};
  let outputColumn${window} = (column + ${padding.left}) / ${stride[1]} - ${columnsBack};
  let inRow${window} = row + ${padding.top} - outputRow${window} * ${stride[0]};
  let inColumn${window} = column + ${padding.left} - outputColumn${window} * ${stride[1]};
  let holds${window} = (u32(outputRow${window}) < ${outputHeight}) & (u32(outputColumn${window}) < ${outputWidth}) & (inRow${window} < ${size[0]}) & (inColumn${window} < ${size[1]});
  let window${window} = select(0, (outputRow${window} * ${outputWidth} + outputColumn${window}) * ${images}, holds${window}) + image;
  let number${window} = select(${2 ** 16}u, u32(inRow${window} * ${size[1]} + inColumn${window}), holds${window});`;
  });
  return {
    begin: begin.join('\n  '),
    at: (map) =>
      `(${windows.map((window) => share(`u32(${map} * ${outputHeight * outputWidth * images} + window${window})`, `number${window}`)).join(' + ')})`,
  };
}

/** Blocks of input elements along one axis, one stride long unless that exceeds the registers. */
function blocksOf(size: number, stride: number, padBefore: number, input: number) {
  const length = stride <= 4 ? stride : 1;
  const first = Math.floor(padBefore / length);
  /**
   * The position of the block's `element` in the window `back` before the last one that the block touches; undefined if
   * not known at this point.
   */
  const position = (element: number, back?: number) =>
    length === stride && back !== undefined ? back * stride + element : undefined;
  return {
    length,
    /** Counted from the border of the padding; blocks of padding alone are skipped. */
    first,
    count: Math.floor((padBefore + input - 1) / length) - first + 1,
    /** The most windows that contain elements of one block. */
    windows: Math.ceil(size / stride),
    position,
    /**
     * Whether the window `back` before the last one that the block touches contains its `element`; undefined if not
     * known at this point.
     */
    holds(element: number, back?: number) {
      const at = position(element, back);
      return at === undefined ? undefined : at < size;
    },
  };
}
