import type { Recorder, Tensor } from '@alex/tensor';
import {
  forEachOffset,
  type GradientEpilogue,
  recordElementwise,
  recordPerElement,
  storeGradientAfter,
  sweepParts,
} from '@alex/tensor/kernels';
import { type Formula, formulaWgsl, gradientFactor, reachOf } from './formula.js';
import { slidingWindow } from './sliding-window.js';

/** One value per invocation. */
const types = 'alias Values = f32;';

/** Normalization within each map of images stored as `[C, H, W, N]`. */
export interface WithinMap {
  readonly label: string;
  readonly formula: Formula;
  /** Rows and columns of a window. */
  readonly size: number;
}

/**
 * One invocation sweeps down a part of one column of one image's map, with the sums of squares of its window's last
 * rows in registers. Lanes read neighbouring images, then columns; the row is the same for all lanes. If `denominators`
 * is given, it receives `s`.
 */
export function recordWithinMap(
  recorder: Recorder,
  norm: WithinMap,
  tensors: { readonly input: Tensor; readonly output: Tensor; readonly denominators: Tensor | undefined },
): void {
  const { input, output, denominators } = tensors;
  const sweep = sweepOf(recorder, norm, input);
  const { rows, columns } = sweep;
  const sums = slidingWindow('sum', rows.before + 1 + rows.after);
  const centres = slidingWindow('x', rows.after + 1);
  recordPerElement(recorder, {
    label: `${norm.label}/forward`,
    elements: sweep.invocations,
    reads: { input },
    writes: denominators ? { output, denominators } : { output },
    functions: types + formulaWgsl(norm.formula),
    body: `
  ${sweep.bounds}
  ${sums.declare}
  ${centres.declare}
  for (var next = first - ${rows.before}; next < last + ${rows.after}; next++) {
    var sum = 0.0;
    var centre = 0.0;
    if (next >= 0 && next < ${sweep.height}) {
      ${forEachOffset(
        -columns.before,
        columns.after + 1,
        (offset) => `{
        let near = clamp(column + ${offset}, 0, ${sweep.width - 1});
        let x = load_input(u32(base + next * ${sweep.rowLength} + near * ${sweep.images}));
        sum += select(0.0, x * x, near == column + ${offset});
        if (${offset} == 0) { centre = x; }
      }`,
      )}
    }
    ${sums.push('sum')}
    ${centres.push('centre')}
    let row = next - ${rows.after};
    if (row >= first) {
      let index = u32(base + row * ${sweep.rowLength} + column * ${sweep.images});
      let s = denominator(${sums.registers.join(' + ')});
      store_output(index, ${centres.registers[0]} * power(s));
      ${denominators ? 'store_denominators(index, s);' : ''}
    }
  }`,
  });
}

/**
 * The same formula as across maps, in two kernels: the terms of the sum, one per element, and then a sweep like the
 * forward pass over mirrored windows, which contain all elements whose windows contain this one.
 */
export function recordWithinMapGradient(
  recorder: Recorder,
  norm: WithinMap,
  tensors: {
    readonly input: Tensor;
    readonly outputGradient: Tensor;
    readonly denominators: Tensor;
    readonly inputGradient: Tensor;
  },
  epilogue: GradientEpilogue | undefined,
): void {
  const { input, outputGradient, denominators, inputGradient } = tensors;
  const terms = recorder.tensor(`${norm.label}/terms`, input.shape);
  recordElementwise(recorder, {
    label: `${norm.label}/terms`,
    elements: input.elements,
    reads: { x: input, gradient: outputGradient, s: denominators },
    writes: { terms },
    functions: types + formulaWgsl(norm.formula),
    body: 'terms = gradient * power(s) * (x / s);',
  });
  const sweep = sweepOf(recorder, norm, input);
  const [rows, columns] = [sweep.rows, sweep.columns].map(({ before, after }) => ({
    before: after,
    after: before,
  })) as [typeof sweep.rows, typeof sweep.columns];
  const sums = slidingWindow('sum', rows.before + 1 + rows.after);
  recordPerElement(recorder, {
    label: `${norm.label}/backward`,
    elements: sweep.invocations,
    reads: { input, gradient: outputGradient, denominators, terms },
    writes: { result: inputGradient },
    functions: types + formulaWgsl(norm.formula),
    body: `
  ${sweep.bounds}
  ${sums.declare}
  for (var next = first - ${rows.before}; next < last + ${rows.after}; next++) {
    var sum = 0.0;
    if (next >= 0 && next < ${sweep.height}) {
      ${forEachOffset(
        -columns.before,
        columns.after + 1,
        (offset) => `{
        let near = clamp(column + ${offset}, 0, ${sweep.width - 1});
        let t = load_terms(u32(base + next * ${sweep.rowLength} + near * ${sweep.images}));
        sum += select(0.0, t, near == column + ${offset});
      }`,
      )}
    }
    ${sums.push('sum')}
    let row = next - ${rows.after};
    if (row >= first) {
      let index = u32(base + row * ${sweep.rowLength} + column * ${sweep.images});
      let x = load_input(index);
      ${storeGradientAfter(
        epilogue,
        `load_gradient(index) * power(load_denominators(index)) - ${gradientFactor(norm.formula)} * x * (${sums.registers.join(' + ')})`,
        'x',
        1,
        (gradient) => `store_result(index, ${gradient});`,
      )}
    }
  }`,
  });
}

function sweepOf({ gpu }: Recorder, { size }: WithinMap, input: Tensor) {
  const [images, channels, height, width] = input.shape as [number, number, number, number];
  const lanes = channels * width * images;
  const parts = sweepParts(gpu, height, lanes);
  const length = Math.ceil(height / parts);
  const rowLength = width * images;
  return {
    images,
    height,
    width,
    rowLength,
    rows: reachOf(size, height),
    columns: reachOf(size, width),
    invocations: lanes * parts,
    // `base` is the image's first element of the map; the part consists of the rows `[first, last)`.
    bounds: `
  let line = i32(i) % ${lanes};
  let inRow = line % ${rowLength};
  let column = inRow / ${images};
  let base = line / ${rowLength} * ${height * rowLength} + inRow % ${images};
  let first = i32(i) / ${lanes} * ${length};
  let last = min(first + ${length}, ${height});`,
  };
}
