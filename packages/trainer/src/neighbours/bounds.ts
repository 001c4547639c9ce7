import type { RowFacts } from './stored-row.js';

/** Lower and upper bound of a distance. */
export interface Bounds {
  readonly least: number;
  readonly most: number;
}

/**
 * How far features that are computed again, on another adapter or in other batches, may differ from those in the index, as a
 * fraction of their length: many times the effect of the order of float32 sums, and as much as rounding to 16 bits.
 */
const drift = 2 ** -12;
/** The relative error of one operation, for any rounding mode. */
const rounding = { float32: 2 ** -23, float64: 2 ** -52 };

/** How far the features of an image may be from its row. */
export function movedBy({ squaredNorm, residual }: RowFacts): number {
  return residual + drift * Math.sqrt(squaredNorm);
}

/**
 * Bounds of the distance between an image's features and others, from the float32 product of the image's row with these. A sum of
 * K products has an error of at most `K u / (1 - K u)` of the product of the lengths, in any order (Higham, Accuracy and
 * Stability of Numerical Algorithms, section 3.1). K is slightly larger here, because WGSL may flush small values to 0.
 *
 * @param norm the length of the others
 * @param columns how many values both have
 */
export function boundsFromProduct(product: number, facts: RowFacts, norm: number, columns: number): Bounds {
  const moved = movedBy(facts);
  // Rounding does not move a row of zeros, such as from a dead layer: its distance is exact.
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

/** The same bounds, from the distance to the row itself, summed in float64. */
export function boundsFromRow(distance: number, facts: RowFacts, columns: number): Bounds {
  const moved = movedBy(facts);
  const off = moved === 0 ? 0 : moved + columns * rounding.float64 * distance;
  return { least: distance - off, most: distance + off };
}
