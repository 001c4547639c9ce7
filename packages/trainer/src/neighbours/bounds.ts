import type { RowFacts } from './stored-row.js';

/** What is known of a distance: it lies between these. */
export interface Bounds {
  readonly least: number;
  readonly most: number;
}

/**
 * How far features that are computed again may lie from what they were when the index was built, on another adapter or in
 * other batches, as a share of their length: many times what the order of float32 sums makes, as much as rounding to 16 bits does.
 */
const drift = 2 ** -12;
/** Of one operation, however it rounds. */
const rounding = { float32: 2 ** -23, float64: 2 ** -52 };

/** How far the features of an image may lie from its row. */
export function movedBy({ squaredNorm, residual }: RowFacts): number {
  return residual + drift * Math.sqrt(squaredNorm);
}

/**
 * Bounds of the distance between an image's features and others, from the product of the image's row with these in float32: of that a
 * sum of K products is off by no more than `K u / (1 - K u)` of the product of the lengths, whatever its order (Higham, Accuracy and
 * Stability of Numerical Algorithms, section 3.1). K is some more here, for what WGSL may take for 0.
 *
 * @param norm the length of the others
 * @param columns how many values both have
 */
export function boundsFromProduct(product: number, facts: RowFacts, norm: number, columns: number): Bounds {
  const moved = movedBy(facts);
  // A row of zeros, such as a dead layer gives, was moved by nothing: there is one distance.
  if (moved === 0) return { least: norm, most: norm };
  const share = (columns + 8) * rounding.float32;
  if (share >= 1) return { least: 0, most: Number.POSITIVE_INFINITY };
  const { squaredNorm } = facts;
  const square = squaredNorm - 2 * product + norm * norm;
  const off =
    (2 * share * Math.sqrt(squaredNorm) * norm) / (1 - share) +
    4 * columns * rounding.float64 * (squaredNorm + norm * norm);
  return {
    least: Math.sqrt(Math.max(0, square - off)) - moved,
    most: Math.sqrt(Math.max(0, square + off)) + moved,
  };
}

/** The same from the distance to the row itself, summed in float64. */
export function boundsFromRow(distance: number, facts: RowFacts, columns: number): Bounds {
  const moved = movedBy(facts);
  const off = moved === 0 ? 0 : moved + columns * rounding.float64 * distance;
  return { least: distance - off, most: distance + off };
}
