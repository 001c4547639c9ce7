/** Eigenvalues from the largest to the smallest, and the eigenvector of each, of length 1. */
export interface Eigen {
  values: number[];
  /** One eigenvector per row; the largest of its components is positive. */
  vectors: number[][];
}

/** Sweeps of Jacobi's method converge quadratically: a 3 x 3 matrix needs about 6. The limit is for a matrix of NaN. */
const mostSweeps = 50;

/** Eigenvalues and eigenvectors of a small symmetric matrix, by Jacobi's rotations (Golub and Van Loan, section 8.5). */
export function symmetricEigen(matrix: readonly (readonly number[])[]): Eigen {
  const n = matrix.length;
  const a = matrix.map((row) => [...row]);
  const v = a.map((_, row) => a.map((_, column) => (row === column ? 1 : 0)));
  for (let sweep = 0; sweep < mostSweeps; sweep++) {
    let rotated = false;
    for (let p = 0; p < n - 1; p++) {
      for (let q = p + 1; q < n; q++) {
        // Too small to change the diagonal, so this pair is done.
        if (Math.abs(a[p]![q]!) <= Number.EPSILON * Math.sqrt(Math.abs(a[p]![p]! * a[q]![q]!))) continue;
        rotate(a, v, p, q);
        rotated = true;
      }
    }
    if (!rotated) break;
  }
  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => a[j]![j]! - a[i]![i]!);
  return { values: order.map((i) => a[i]![i]!), vectors: order.map((i) => withSign(v.map((row) => row[i]!))) };
}

/** Rotates the axes p and q so that `a[p][q]` becomes 0; the columns of `v` rotate with them. */
function rotate(a: number[][], v: number[][], p: number, q: number): void {
  const tau = (a[q]![q]! - a[p]![p]!) / (2 * a[p]![q]!);
  const tangent = (tau >= 0 ? 1 : -1) / (Math.abs(tau) + Math.hypot(1, tau));
  const cosine = 1 / Math.hypot(1, tangent);
  const sine = tangent * cosine;
  const turn = (row: number[]) => {
    const [x, y] = [row[p]!, row[q]!];
    row[p] = cosine * x - sine * y;
    row[q] = sine * x + cosine * y;
  };
  a.forEach(turn);
  const [rowP, rowQ] = [a[p]!, a[q]!];
  a[p] = rowP.map((x, column) => cosine * x - sine * rowQ[column]!);
  a[q] = rowP.map((x, column) => sine * x + cosine * rowQ[column]!);
  v.forEach(turn);
}

/** The sign of an eigenvector is arbitrary: choose one, so that the same images always give the same axes. */
function withSign(vector: number[]): number[] {
  const largest = vector.reduce((best, x) => (Math.abs(x) > Math.abs(best) ? x : best), 0);
  return largest < 0 ? vector.map((x) => -x) : vector;
}
