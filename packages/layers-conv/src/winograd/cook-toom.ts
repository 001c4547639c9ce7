/** Rows of numbers. */
export type Matrix = readonly (readonly number[])[];

/**
 * The matrices of the minimal algorithm F(m, r), which computes `m` neighbouring outputs of a correlation with `r`
 * weights with `m + r - 1` products instead of `m * r`: `output * ((weights * w) x (input * x))`, where `x` multiplies
 * element by element. In two dimensions, each matrix is applied to rows and columns.
 */
export interface CookToom {
  /** Products per dimension, and inputs that a tile reads: `m + r - 1`. */
  readonly size: number;
  /** `size x size`, applied to a tile of the input (`B^T` in the papers). */
  readonly input: Matrix;
  /** `size x r`, applied to the weights (`G`). */
  readonly weights: Matrix;
  /** `m x size`, applied to the products (`A^T`). */
  readonly output: Matrix;
}

/**
 * Interpolation points, in the order in which larger tiles add them; the last one is always infinity. Powers of two
 * keep products exact. 1/2 and -2 lose half as much precision as 2 and -2 in the papers (`docs/winograd.md`).
 */
const points = [0, 1, -1, 0.5, -2, -0.5, 2];

/**
 * Derives F(m, r) by Cook and Toom's method, as Winograd uses it. It multiplies polynomials by evaluating both at
 * `m + r - 2` points and at infinity, multiplying the values, and interpolating (Lagrange); the transpose of this is a
 * correlation.
 *
 * All entries are exact in floating point, except for one division in each entry of `weights`, which is rounded once.
 *
 * @param candidates - distinct numbers with few binary digits, of which the first `m + r - 2` are used
 * @throws RangeError if there are too few of them
 */
export function cookToom(m: number, r: number, candidates: readonly number[] = points): CookToom {
  const size = m + r - 1;
  if (size - 1 > candidates.length) {
    throw new RangeError(`F(${m}, ${r}) needs ${size - 1} points, got ${candidates.length}`);
  }
  const used = candidates.slice(0, size - 1);
  const last = (index: number, length: number) => Number(index === length - 1);
  const powers = (point: number, length: number) => Array.from({ length }, (_, exponent) => point ** exponent);
  const evaluations = used.map((point) => powers(point, m));
  return {
    size,
    input: [
      ...used.map((point) => [...polynomialWithRoots(used.filter((other) => other !== point)), 0]),
      polynomialWithRoots(used),
    ],
    weights: [
      ...used.map((point) => {
        const scale = used.reduce((product, other) => (other === point ? product : product * (point - other)), 1);
        return powers(point, r).map((power) => power / scale);
      }),
      Array.from({ length: r }, (_, index) => last(index, r)),
    ],
    output: Array.from({ length: m }, (_, row) => [...evaluations.map((values) => values[row]!), last(row, m)]),
  };
}

/** Coefficients of `(x - a) * (x - b) * ...`, lowest power first. */
function polynomialWithRoots(roots: readonly number[]): number[] {
  let product = [1];
  for (const root of roots) {
    product = [...product, 0].map((coefficient, power) => (product[power - 1] ?? 0) - root * coefficient);
  }
  return product;
}

export function transpose(matrix: Matrix): Matrix {
  return matrix[0]!.map((_, column) => matrix.map((row) => row[column]!));
}
