import { ConfigError, ShapeError } from '../errors.js';
import type { Recorder } from '../kernel/recorder.js';
import type { Tensor } from '../kernel/tensor.js';
import { lanesFor, productKernel, reductionPart, stepsOfRound, stridedColumns, stridedRows } from './product-kernel.js';
import { chooseParts, chooseTile, columnForm, type ProductTile, rowForm } from './product-tile.js';
import { recordSumOfParts } from './sums.js';

/** A matrix product over row-major matrices: `output[m][n] = sum over k of a[m][k] * b[k][n]`. */
export interface ProductOptions {
  /** Shown by GPU errors and traces. */
  readonly label: string;
  readonly a: Tensor;
  readonly b: Tensor;
  readonly output: Tensor;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Whether `a` lies in memory as `[k][m]`. */
  readonly transposeA?: boolean;
  /** Whether `b` lies in memory as `[n][k]`. */
  readonly transposeB?: boolean;
  /** `[m]`: one value that is added to a whole row of the output. */
  readonly bias?: Tensor;
  /** Adds to what `output` holds instead of overwriting it. */
  readonly accumulate?: boolean;
  /** Instead of what suits the adapter. */
  readonly tile?: Partial<ProductTile>;
  /** How many products of this size there are, whose matrices lie one after another in `a`, `b` and `output`; 1. */
  readonly batches?: number;
  /** Into how many parts the reduction over k is cut; what suits the adapter where it is left out. */
  readonly parts?: number;
}

/**
 * Records a matrix product (all four transpositions). Only sizes in elements count, not the shapes of the tensors: an
 * activity `[N, F]` lies in memory as the matrix `[F][N]`.
 *
 * @throws ConfigError where a size is not a whole number of at least 1; ShapeError where a tensor holds another number of
 *   elements than its matrix.
 */
export function recordProduct(recorder: Recorder, options: ProductOptions): void {
  const { label, a, b, output, m, n, k, transposeA = false, transposeB = false, bias, accumulate = false } = options;
  const { batches = 1 } = options;
  checkSizes(options);
  const { gpu } = recorder;
  const size = { rows: m, columns: n, batches, depth: k };
  // The kernel's batches are parts of the reduction and, inner, products.
  const part = batches === 1 ? 'batch' : `(batch / ${batches}u)`;
  const product = batches === 1 ? '0u' : `(batch % ${batches}u)`;
  const forms = {
    rows: rowForm(transposeA ? 'result' : 'steps', transposeA ? m : k),
    columns: columnForm(gpu, transposeB ? 'steps' : 'result', transposeB ? k : n, n),
  };
  const tile = chooseTile(gpu, size, forms, options.tile);
  const lanes = lanesFor(gpu.subgroupSize, tile, forms.rows);
  const roundSteps = stepsOfRound(tile, lanes, forms.rows, forms.columns);
  const cut = reductionPart(k, options.parts ?? chooseParts(gpu, tile, size), roundSteps, part);
  const { parts } = cut;
  const whole = parts === 1;
  const target = whole ? output : recorder.tensor(`${label}/parts`, [parts, batches * m, n]);
  const [rowStride, stepStride] = transposeA ? [1, m] : [k, 1];
  const [columnStride, columnStepStride] = transposeB ? [k, 1] : [1, n];
  const fours = forms.columns.along === 'result' && forms.columns.width === 4 ? '4' : '';
  const place = (row: string, load: number) => {
    const element = `(batch * ${m}u + ${row}) * ${n}u + column_${load}`;
    return fours ? `(${element}) / 4u` : element;
  };
  recorder.dispatch({
    label,
    reads: { a, b, ...(bias && whole ? { bias } : {}) },
    writes: { output: target },
    vectors: [
      ...(forms.rows.width === 4 ? ['a'] : []),
      ...(forms.columns.width === 4 ? ['b'] : []),
      ...(fours ? ['output'] : []),
    ],
    ...productKernel({
      title: `Matrix product ${m} x ${k} x ${n}`,
      tile,
      lanes,
      rows: m,
      columns: n,
      batches: parts * batches,
      reduction: cut.reduction,
      rowOperand: stridedRows({
        name: 'a',
        base: `${product} * ${m * k}u + ${part} * ${cut.stepsOfPart * stepStride}u + first_row * ${rowStride}u`,
        rowStride,
        stepStride,
        tile,
        lanes,
        form: forms.rows,
        rows: m,
      }),
      columnOperand: stridedColumns({
        name: 'b',
        base: (load) =>
          `${product} * ${k * n}u + ${part} * ${cut.stepsOfPart * columnStepStride}u + at_${load} * ${columnStride}u`,
        stepStride: columnStepStride,
        tile,
        form: forms.columns,
      }),
      initial: (row, load) =>
        [
          ...(whole && bias ? [`load_bias(${row})`] : []),
          ...(whole && accumulate ? [`load${fours}_output(${place(row, load).replace('column_', 'at_')})`] : []),
        ].join(' + '),
      store: (row, load, value) => `store${fours}_output(${place(row, load)}, ${value});`,
    }),
  });
  if (whole) return;
  recordSumOfParts(recorder, {
    label: `${label}/sum`,
    input: target,
    output,
    parts,
    elements: batches * m * n,
    reads: bias ? { bias } : {},
    finish: (bias ? `sum += load_bias(i / ${n}u % ${m}u);` : '') + (accumulate ? 'sum += load_output(i);' : ''),
  });
}

function checkSizes({ label, a, b, output, m, n, k, bias, batches = 1 }: ProductOptions): void {
  for (const [name, size] of Object.entries({ m, n, k, batches })) {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new ConfigError(`${label}: ${name} must be a whole number of at least 1, got ${size}`);
    }
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
        `${label}: ${name} must hold ${elements} values for a product of ${m} x ${k} by ${k} x ${n}${batches > 1 ? `, ${batches} times` : ''}, got ${tensor.elements}`,
      );
    }
  }
}
