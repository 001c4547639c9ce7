import { ConfigError, ShapeError } from '../errors.js';
import type { Recorder } from '../kernel/recorder.js';
import type { Tensor } from '../kernel/tensor.js';
import { lanesFor, productKernel, reductionPart, stepsOfRound, stridedColumns, stridedRows } from './product-kernel.js';
import { chooseParts, chooseTile, type ProductTile } from './product-tile.js';
import { recordSumOfParts } from './sums.js';
import { recordTranspose } from './transpose.js';

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
  /** Whether `b` lies in memory as `[n][k]`; it is transposed into memory of its own first. */
  readonly transposeB?: boolean;
  /** `[m]`: one value that is added to a whole row of the output. */
  readonly bias?: Tensor;
  /** Adds to what `output` holds instead of overwriting it. */
  readonly accumulate?: boolean;
  /** Instead of what suits the adapter. */
  readonly tile?: Partial<ProductTile>;
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
  checkSizes(options);
  if (transposeB) {
    const packed = recorder.tensor(`${label}/b`, [k, n]);
    recordTranspose(recorder, { label: `${label}/transpose`, input: b, output: packed, rows: n, columns: k });
    recordProduct(recorder, { ...options, b: packed, transposeB: false });
    return;
  }
  const { gpu } = recorder;
  const tile = chooseTile(gpu, { rows: m, columns: n }, options.tile);
  // Lanes lie over what is contiguous in `a`: its rows where it is transposed, else some steps of the reduction.
  const lanes = transposeA
    ? lanesFor(gpu.subgroupSize, tile, 'rows')
    : lanesFor(gpu.subgroupSize, tile, 'steps', Math.ceil((gpu.subgroupSize ?? 1) / 4));
  const cut = reductionPart(
    k,
    options.parts ?? chooseParts(gpu, tile, { rows: m, columns: n, batches: 1, depth: k }),
    stepsOfRound(tile, lanes),
    'batch',
  );
  const whole = cut.parts === 1;
  const target = whole ? output : recorder.tensor(`${label}/parts`, [cut.parts, m, n]);
  const [rowStride, stepStride] = transposeA ? [1, m] : [k, 1];
  recorder.dispatch({
    label,
    reads: { a, b, ...(bias && whole ? { bias } : {}) },
    writes: { output: target },
    ...productKernel({
      title: `Matrix product ${m} x ${k} x ${n}`,
      tile,
      lanes,
      rows: m,
      columns: n,
      batches: cut.parts,
      reduction: cut.reduction,
      rowOperand: stridedRows({
        name: 'a',
        base: `batch * ${cut.stepsOfPart * stepStride}u + first_row * ${rowStride}u`,
        rowStride,
        stepStride,
        tile,
        lanes,
        rows: m,
      }),
      columnOperand: stridedColumns({
        name: 'b',
        base: (column) => `batch * ${cut.stepsOfPart * n}u + at_${column}`,
        stepStride: n,
        tile,
      }),
      initial: (row, column) =>
        [
          ...(whole && bias ? [`load_bias(${row})`] : []),
          ...(whole && accumulate ? [`load_output(${row} * ${n}u + at_${column})`] : []),
        ].join(' + ') || '0.0',
      store: (row, column, value) =>
        `store_output(${whole ? row : `(batch * ${m}u + ${row})`} * ${n}u + column_${column}, ${value});`,
    }),
  });
  if (whole) return;
  recordSumOfParts(recorder, {
    label: `${label}/sum`,
    input: target,
    output,
    parts: cut.parts,
    elements: m * n,
    reads: bias ? { bias } : {},
    finish: (bias ? `sum += load_bias(i / ${n}u);` : '') + (accumulate ? 'sum += load_output(i);' : ''),
  });
}

function checkSizes({ label, a, b, output, m, n, k, bias }: ProductOptions): void {
  for (const [name, size] of Object.entries({ m, n, k })) {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new ConfigError(`${label}: ${name} must be a whole number of at least 1, got ${size}`);
    }
  }
  const expected: [string, Tensor | undefined, number][] = [
    ['a', a, m * k],
    ['b', b, k * n],
    ['output', output, m * n],
    ['bias', bias, m],
  ];
  for (const [name, tensor, elements] of expected) {
    if (tensor && tensor.elements !== elements) {
      throw new ShapeError(
        `${label}: ${name} must hold ${elements} values for a product of ${m} x ${k} by ${k} x ${n}, got ${tensor.elements}`,
      );
    }
  }
}
