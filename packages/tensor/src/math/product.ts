import type { Gpu } from '../adapter/gpu.js';
import { ConfigError, ShapeError } from '../errors.js';
import { type Epilogue, fusesIntoProducts, recordEpilogue, storeAfter } from '../kernel/epilogue.js';
import type { Recorder } from '../kernel/recorder.js';
import { bytesOf, bytesPerBinding, type Tensor } from '../kernel/tensor.js';
import { recordTunable, storageKey } from '../kernel/tunable.js';
import { recordUpdate, type Update, updateWgsl } from '../kernel/update.js';
import { checkOptions, checkWholeNumber } from '../option-checks.js';
import { productKernel } from './products/families.js';
import { stridedColumns, stridedRows } from './products/operand.js';
import { isRiskyProduct, planProduct, productChoices } from './products/plan.js';
import { splitReduction } from './products/reduction.js';
import { isStaged, type ProductChoice, type ProductShape, type Share } from './products/shape.js';
import { type Slice, slicesOf } from './products/slices.js';
import type { ProductTile } from './products/tile-size.js';
import { recordRowSums, recordSplitKSum } from './sums.js';

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
  /** The update that each value of the output makes instead of being stored; `output` then only gives the shape. */
  readonly update?: Update | undefined;
  /** `[m]`: receives the sums of the rows of `a`, which must not be transposed. */
  readonly rowSums?: Tensor | undefined;
  /** Default: what suits the adapter. */
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
 * @throws ConfigError if an option is unknown or a size is not a whole number of at least 1; ShapeError if a tensor does not have its matrix's
 * number of elements
 */
export function recordProduct(recorder: Recorder, options: ProductOptions): void {
  checkOptions(options?.label ?? 'recordProduct', options, [
    'label',
    'a',
    'b',
    'output',
    'm',
    'n',
    'k',
    'transposeA',
    'transposeB',
    'bias',
    'accumulate',
    'epilogue',
    'update',
    'rowSums',
    'tile',
    'share',
    'batches',
    'splitK',
  ]);
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
  const record = (recorder: Recorder, choice: ProductChoice) => recordChoice(recorder, options, shape, choice);
  const rowSums = fusesIntoProducts(gpu) ? options.rowSums : undefined;
  if (options.tile || options.share || options.splitK) {
    const { candidates } = choices;
    const usual = candidates.find(({ share }) => share === options.share) ?? candidates[0]!;
    record(recorder, {
      ...usual,
      ...(options.share && { share: options.share }),
      tile: { ...usual.tile, ...options.tile },
    });
  } else {
    recordTunable(recorder, {
      kernel: 'product',
      version: 2,
      shape: [
        `${m}x${k}x${n}`,
        ...(batches > 1 ? [`${batches} times`] : []),
        ...Object.entries({ transposeA, transposeB, bias, accumulate }).flatMap(([name, is]) => (is ? [name] : [])),
        ...(options.epilogue ? [options.epilogue.name] : []),
        ...Object.entries({ update: options.update, rowSums }).flatMap(([name, is]) => (is ? [name] : [])),
        storageKey(gpu, [options.a, options.b, output]),
      ].join(' '),
      ...choices,
      isRisky: isRiskyProduct,
      outputs: [...(options.update ? Object.values(options.update.tensors) : [output]), ...(rowSums ? [rowSums] : [])],
      work: m * n * k * batches,
      record,
    });
  }
  // On software drivers, no choice depends on it.
  if (options.rowSums && !rowSums) recordSumsAlone(recorder, options, options.rowSums);
}

/**
 * Records a product with one choice: slice by slice, followed by the operations that its kernels do not perform
 * themselves.
 */
function recordChoice(recorder: Recorder, options: ProductOptions, shape: ProductShape, choice: ProductChoice): void {
  const { gpu } = recorder;
  const onGpu = fusesIntoProducts(gpu);
  const slices = slicesOf(gpu, options);
  const epilogue = onGpu ? options.epilogue : undefined;
  const wholeRows = onGpu && isStaged(choice.share) && slices.every((slice) => slice.k.count === options.k);
  const update = wholeRows && canUpdate(gpu, options, slices[0]!.range) ? options.update : undefined;
  const rowSums = wholeRows ? options.rowSums : undefined;
  const { label, shape: outside, dataType } = options.output;
  const output = options.update && !update ? recorder.tensor(label, outside, { dataType }) : options.output;
  slices.forEach((slice, index) => {
    // Further slices of the reduction add to the result of the first one.
    const continues = slice.k.first > 0;
    const own = { ...options, output, update, rowSums, epilogue, ...(continues && { accumulate: true }) };
    recordSlice(recorder, own, shape, choice, slice, index);
  });
  if (options.epilogue && !epilogue) recordEpilogue(recorder, options.label, output, options.epilogue);
  if (options.update && !update) recordUpdate(recorder, output, options.update);
  if (onGpu && options.rowSums && !rowSums) recordSumsAlone(recorder, options, options.rowSums);
}

function recordSumsAlone(recorder: Recorder, { a, m, k }: ProductOptions, output: Tensor): void {
  recordRowSums(recorder, { label: output.label, input: a, output, rows: m, columns: k });
}

/**
 * Whether kernels that process all steps of their rows, and store each value once, can bind everything that an update
 * needs.
 */
function canUpdate(
  gpu: Gpu,
  { a, b, bias, rowSums, accumulate = false, update }: ProductOptions,
  range: Slice['range'],
): boolean {
  if (!update || accumulate) return false;
  const reached = { ...update.tensors, ...update.also };
  if (['a', 'b', 'bias', 'input', 'rowSums'].some((name) => name in reached)) return false;
  const others = [a, b, bias, rowSums].filter((tensor) => tensor !== undefined);
  const bindings = [...others, ...Object.values(reached)].map((tensor) =>
    tensor.elements === range?.of ? 1 : Math.ceil(bytesOf(tensor) / bytesPerBinding(gpu)),
  );
  return bindings.reduce((sum, count) => sum + count) <= gpu.limits.maxStorageBuffersPerShaderStage;
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
  const update = whole ? options.update : undefined;
  const updating = update && updateWgsl(update, plan.resultWidth);
  const writes = update?.tensors ?? { output: target };
  const { rowSums } = options;
  const sumsTarget = rowSums && (whole ? rowSums : recorder.tensor(`${rowSums.label}/splitK`, [splitK, m]));
  recorder.dispatch({
    label: index === 0 ? label : `${label}/${index + 1}`,
    ...(slice.range && { range: slice.range }),
    reads: { a, b, ...(bias && whole ? { bias } : {}), ...update?.also },
    writes: sumsTarget ? { ...writes, rowSums: sumsTarget } : writes,
    ...(update?.scalars && { scalars: update.scalars }),
    vectors: [
      ...(plan.rowForm.width === 4 ? ['a'] : []),
      ...(plan.columnForm.width === 4 ? ['b'] : []),
      ...(fours ? Object.keys(writes) : []),
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
      ...(updating && {
        functions: updating.functions,
        ahead: (row, load, id) => updating.load(place(row, load).replace('column_', 'at_'), id),
      }),
      ...(sumsTarget && {
        rowSums: (row, sum) => `store_rowSums(${whole ? '' : `batch * ${m}u + `}${row} + ${slice.m.first}u, ${sum});`,
      }),
      store: (row, load, value, id) =>
        storeAfter(whole ? epilogue : undefined, value, plan.resultWidth, (result) =>
          updating
            ? updating.apply(place(row, load), result, id)
            : `store${fours}_output(${place(row, load)}, ${result});`,
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
    update: options.update,
  });
  if (!sumsTarget) return;
  const { label: sumsLabel } = rowSums!;
  recordSplitKSum(recorder, { label: sumsLabel, input: sumsTarget, output: rowSums!, splitK, elements: m });
}

function checkSizes(options: ProductOptions): void {
  const { label, a, b, output, m, n, k, bias, rowSums, transposeA = false, batches = 1 } = options;
  for (const [name, size] of Object.entries({ m, n, k, batches })) {
    checkWholeNumber(label, name, size);
  }
  const expected: [string, Tensor | undefined, number][] = [
    ['a', a, batches * m * k],
    ['b', b, batches * k * n],
    ['output', output, batches * m * n],
    ['bias', bias, m],
    ['rowSums', rowSums, m],
  ];
  if (rowSums && (transposeA || batches > 1)) {
    throw new ConfigError(`${label}: rowSums need a single product whose a is not transposed`);
  }
  for (const [name, tensor, elements] of expected) {
    if (tensor && tensor.elements !== elements) {
      throw new ShapeError(
        `${label}: ${name} must have ${elements} values for a product of ${m} x ${k} by ${k} x ${n}${batches > 1 ? `, ${batches} times` : ''}, got ${tensor.elements}`,
      );
    }
  }
}
