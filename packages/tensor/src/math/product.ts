import type { Gpu } from '../adapter/gpu.js';
import { ShapeError } from '../errors.js';
import { type Epilogue, fusesIntoProducts, recordEpilogue, storeAfter } from '../kernel/epilogue.js';
import type { ElementRange, Recorder } from '../kernel/recorder.js';
import { bytesOf, bytesPerBinding, bytesPerElement, type Tensor } from '../kernel/tensor.js';
import { recordTunable, storageKey } from '../kernel/tunable.js';
import { checkWholeNumber } from '../option-checks.js';
import { productKernel } from './products/families.js';
import { stridedColumns, stridedRows } from './products/operand.js';
import { isRiskyProduct, planProduct, productChoices } from './products/plan.js';
import { splitReduction } from './products/reduction.js';
import type { ProductChoice, ProductShape, Share } from './products/shape.js';
import type { ProductTile } from './products/tile-size.js';
import { recordSplitKSum } from './sums.js';

/** A matrix product over row-major matrices: `output[m][n] = sum over k of a[m][k] * b[k][n]`. */
export interface ProductOptions {
  /** Shown in GPU errors and traces. */
  readonly label: string;
  readonly a: Tensor;
  readonly b: Tensor;
  readonly output: Tensor;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Whether `a` is stored as `[k][m]`. */
  readonly transposeA?: boolean;
  /** Whether `b` is stored as `[n][k]`. */
  readonly transposeB?: boolean;
  /** `[m]`: one value that is added to a whole row of the output. */
  readonly bias?: Tensor;
  /** Whether to add to `output` instead of overwriting it. */
  readonly accumulate?: boolean;
  /** An operation on each value of the output before it is stored. */
  readonly epilogue?: Epilogue | undefined;
  /** Overrides the default for the adapter. */
  readonly tile?: Partial<ProductTile>;
  readonly share?: Share;
  /**
   * Number of products of this size, whose matrices are stored one after another in `a`, `b` and `output`. Default: 1.
   */
  readonly batches?: number;
  /** Split-K: the number of parts of the reduction over k. Default: what suits the adapter. */
  readonly splitK?: number;
}

/**
 * Records a matrix product (all four transpositions). Only the numbers of elements matter, not the shapes of the
 * tensors: an activation `[N, F]` is stored as the matrix `[F][N]`.
 *
 * @throws ConfigError if a size is not a whole number of at least 1; ShapeError if a tensor does not have its matrix's
 * number of elements
 */
export function recordProduct(recorder: Recorder, options: ProductOptions): void {
  checkSizes(options);
  const { output, m, n, k, transposeA = false, transposeB = false, bias, accumulate = false, batches = 1 } = options;
  const { gpu } = recorder;
  const shape: ProductShape = {
    rows: m,
    columns: n,
    batches,
    depth: k,
    rowSide: { along: transposeA ? 'result' : 'steps', contiguous: transposeA ? m : k },
    columnSide: { along: transposeB ? 'steps' : 'result', contiguous: transposeB ? k : n },
    halves: [options.a, options.b].some(({ dataType }) => dataType === 'f16'),
  };
  const choices = productChoices(gpu, shape);
  const fused = fusesIntoProducts(gpu) ? options.epilogue : undefined;
  const record = (recorder: Recorder, choice: ProductChoice) => {
    slicesOf(recorder.gpu, options).forEach((slice, index) => {
      // Later slices of the reduction add to the result of the first.
      const continues = slice.k.first > 0;
      const own = { ...options, epilogue: fused, ...(continues && { accumulate: true }) };
      recordSlice(recorder, own, shape, choice, slice, index);
    });
    if (options.epilogue && !fused) recordEpilogue(recorder, options.label, output, options.epilogue);
  };
  if (options.tile || options.share || options.splitK) {
    const { candidates } = choices;
    const usual = candidates.find(({ share }) => share === options.share) ?? candidates[0]!;
    record(recorder, {
      ...usual,
      ...(options.share && { share: options.share }),
      tile: { ...usual.tile, ...options.tile },
    });
    return;
  }
  recordTunable(recorder, {
    kernel: 'product',
    version: 2,
    shape: [
      `${m}x${k}x${n}`,
      ...(batches > 1 ? [`${batches} times`] : []),
      ...Object.entries({ transposeA, transposeB, bias, accumulate }).flatMap(([name, is]) => (is ? [name] : [])),
      ...(options.epilogue ? [options.epilogue.name] : []),
      storageKey(gpu, [options.a, options.b, output]),
    ].join(' '),
    ...choices,
    isRisky: (choice) => isRiskyProduct(gpu, choice),
    outputs: [output],
    work: m * n * k * batches,
    record,
  });
}

/** Some rows of a product, or some steps of its reduction. */
interface Slice {
  readonly m: Range;
  readonly k: Range;
  /** Its elements of the tensor that exceeds the largest binding. */
  readonly range?: ElementRange;
}

interface Range {
  readonly first: number;
  readonly count: number;
}

/**
 * Divides a product so that each slice can bind its part of `a` and `output` at once, if cutting along the slowest
 * index of the tensor that is too large makes that possible. A kernel that binds a tensor in several parts has to
 * select the part on every access.
 */
function slicesOf(gpu: Gpu, { a, b, output, m, n, k, transposeA = false, batches = 1 }: ProductOptions): Slice[] {
  const whole = { m: { first: 0, count: m }, k: { first: 0, count: k } };
  const most = bytesPerBinding(gpu);
  const large = [a, output].filter((tensor) => bytesOf(tensor) > most);
  const [tensor] = large;
  const alike = [a, b, output].filter(({ elements }) => elements === tensor?.elements);
  if (large.length !== 1 || tensor === undefined || alike.length !== 1 || batches > 1) return [whole];
  const axis = tensor === a && transposeA ? 'k' : 'm';
  const length = axis === 'k' ? k : m;
  const elementsOfRow = tensor === output ? n : transposeA ? m : k;
  const bytesOfRow = elementsOfRow * bytesPerElement(tensor.dataType);
  // Slices begin where a binding may begin, and where a tile of rows does.
  const unit = 64;
  const atOnce = Math.floor(most / bytesOfRow / unit) * unit;
  if (atOnce === 0 || (unit * bytesOfRow) % gpu.limits.minStorageBufferOffsetAlignment !== 0) return [whole];
  const step = Math.ceil(length / Math.ceil(length / atOnce) / unit) * unit;
  return Array.from({ length: Math.ceil(length / step) }, (_, index) => {
    const first = index * step;
    const count = Math.min(step, length - first);
    const range = { of: tensor.elements, first: first * elementsOfRow, elements: count * elementsOfRow };
    return { ...whole, [axis]: { first, count }, range };
  });
}

function recordSlice(
  recorder: Recorder,
  options: ProductOptions,
  wholeShape: ProductShape,
  choice: ProductChoice,
  slice: Slice,
  index: number,
): void {
  const { label, a, b, output, n, transposeA = false, transposeB = false, accumulate = false } = options;
  const { batches } = wholeShape;
  const [m, k] = [slice.m.count, slice.k.count];
  // The bias is added once, by the slice where the reduction begins.
  const bias = slice.k.first === 0 ? options.bias : undefined;
  const epilogue = slice.k.first + k === options.k ? options.epilogue : undefined;
  const shape = { ...wholeShape, rows: m, depth: k };
  const plan = planProduct(recorder.gpu, shape, choice);
  // The kernel's batches are parts of the reduction and, innermost, products.
  const piece = batches === 1 ? 'batch' : `(batch / ${batches}u)`;
  const product = batches === 1 ? '0u' : `(batch % ${batches}u)`;
  // A slice is large, so splitting its reduction gains nothing.
  const cut = splitReduction(k, slice.range ? 1 : (options.splitK ?? plan.splitK), plan.roundSteps, piece);
  const { splitK } = cut;
  const whole = splitK === 1;
  const target = whole ? output : recorder.tensor(`${label}/splitK`, [splitK, batches * m, n]);
  const [rowStride, stepStride] = transposeA ? [1, options.m] : [options.k, 1];
  const [columnStride, columnStepStride] = transposeB ? [options.k, 1] : [1, n];
  const firstOfA = slice.m.first * rowStride + slice.k.first * stepStride;
  const firstOfB = slice.k.first * columnStepStride;
  const firstOfOutput = whole ? slice.m.first * n : 0;
  const fours = plan.resultWidth === 4 ? '4' : '';
  const place = (row: string, load: number) => {
    const element = `(batch * ${m}u + ${row}) * ${n}u + column_${load} + ${firstOfOutput}u`;
    return fours ? `(${element}) / 4u` : element;
  };
  recorder.dispatch({
    label: index === 0 ? label : `${label}/${index + 1}`,
    ...(slice.range && { range: slice.range }),
    reads: { a, b, ...(bias && whole ? { bias } : {}) },
    writes: { output: target },
    vectors: [
      ...(plan.rowForm.width === 4 ? ['a'] : []),
      ...(plan.columnForm.width === 4 ? ['b'] : []),
      ...(fours ? ['output'] : []),
    ],
    ...productKernel({
      title: `Matrix product ${m} x ${k} x ${n}`,
      plan,
      rows: m,
      columns: n,
      batches: splitK * batches,
      reduction: cut.reduction,
      rowOperand: stridedRows({
        name: 'a',
        dataType: a.dataType,
        base: `${firstOfA}u + ${product} * ${m * k}u + ${piece} * ${cut.stepsOfPiece * stepStride}u + first_row * ${rowStride}u`,
        rowStride,
        stepStride,
        plan,
        rows: m,
      }),
      columnOperand: stridedColumns({
        name: 'b',
        dataType: b.dataType,
        base: (load) =>
          `${firstOfB}u + ${product} * ${k * n}u + ${piece} * ${cut.stepsOfPiece * columnStepStride}u + at_${load} * ${columnStride}u`,
        stepStride: columnStepStride,
        plan,
      }),
      initial: (row, load) =>
        [
          ...(whole && bias ? [`load_bias(${row} + ${slice.m.first}u)`] : []),
          ...(whole && accumulate ? [`load${fours}_output(${place(row, load).replace('column_', 'at_')})`] : []),
        ].join(' + '),
      store: (row, load, value) =>
        storeAfter(
          whole ? epilogue : undefined,
          value,
          plan.resultWidth,
          (result) => `store${fours}_output(${place(row, load)}, ${result});`,
        ),
    }),
  });
  if (whole) return;
  recordSplitKSum(recorder, {
    label: `${label}/sum`,
    input: target,
    output,
    splitK,
    elements: batches * m * n,
    reads: bias ? { bias } : {},
    finish:
      (bias ? `sum += load_bias(i / ${n}u % ${m}u);` : '') +
      (accumulate ? 'sum += load_output(i);' : '') +
      (epilogue ? `sum = ${epilogue.wgsl('sum', 1)};` : ''),
  });
}

function checkSizes({ label, a, b, output, m, n, k, bias, batches = 1 }: ProductOptions): void {
  for (const [name, size] of Object.entries({ m, n, k, batches })) {
    checkWholeNumber(label, name, size);
  }
  const expected: [string, Tensor | undefined, number][] = [
    ['a', a, batches * m * k],
    ['b', b, batches * k * n],
    ['output', output, batches * m * n],
    ['bias', bias, m],
  ];
  for (const [name, tensor, elements] of expected) {
    if (tensor && tensor.elements !== elements) {
      throw new ShapeError(
        `${label}: ${name} must have ${elements} values for a product of ${m} x ${k} by ${k} x ${n}${batches > 1 ? `, ${batches} times` : ''}, got ${tensor.elements}`,
      );
    }
  }
}
