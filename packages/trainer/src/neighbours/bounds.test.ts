import { randomTensor } from '@alex/tensor/testing';
import { describe, expect, it } from 'vitest';
import { type Bounds, boundsFromProduct, boundsFromRow } from './bounds.js';
import { StoredRow } from './stored-row.js';

/** A vector, its row, another vector, and the distance between the two in float64. */
function pair(columns: number, seed: number, distance: number) {
  const vector = randomTensor([columns], seed, 3).data;
  const other = vector.map((value, i) => value + distance * Math.sin(i + seed));
  const row = new StoredRow(columns);
  const bytes = new Uint8Array(row.bytes);
  row.encode(vector, bytes, 0);
  const facts = row.facts(bytes, 0);
  const length = (values: Float32Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  const wanted = Math.sqrt(vector.reduce((sum, value, i) => sum + (value - other[i]!) ** 2, 0));
  const toRow = Math.sqrt(row.squaredDistance(bytes, 0, other));
  // In float64, exactly what the adapter multiplies in float32.
  const product = (facts.squaredNorm + length(other) ** 2 - toRow ** 2) / 2;
  return { columns, facts, norm: length(other), wanted, toRow, product };
}

const holds = ({ least, most }: Bounds, distance: number) => least <= distance && distance <= most;

const cases = [0, 1e-6, 1e-3, 0.1, 5].flatMap((distance) =>
  [1, 7, 256, 4096].map((columns): [number, number] => [columns, distance]),
);

describe.each(cases)('of %i values, about %f apart, the bounds', (columns, distance) => {
  const { facts, norm, wanted, toRow, product } = pair(columns, columns, distance);

  it('hold for any rounding of a float32 sum of the products', () => {
    // The largest error of such sums: every operation rounds by the maximum, always in the same direction.
    const worst = columns * 2 ** -23 * Math.sqrt(facts.squaredNorm) * norm;
    for (const error of [-worst, 0, worst]) {
      expect(holds(boundsFromProduct(product + error, facts, norm, columns), wanted)).toBe(true);
    }
    expect(holds(boundsFromRow(toRow, facts, columns), wanted)).toBe(true);
  });

  it('are not much wider than that', () => {
    const { least, most } = boundsFromProduct(product, facts, norm, columns);
    const sums = 4 * (columns + 8) * 2 ** -23 * norm ** 2;
    expect(most ** 2 - Math.max(0, least) ** 2).toBeLessThan(2 * sums + 4 * most * 2 ** -11 * norm);
    const own = boundsFromRow(toRow, facts, columns);
    expect(own.most - own.least).toBeLessThan(2 ** -10 * norm);
  });
});

it('of a row of zeros there is one distance; of vectors too long for float32 sums nothing is known', () => {
  expect(boundsFromProduct(0, { squaredNorm: 0, scale: 1, residual: 0 }, 5, 10)).toEqual({ least: 5, most: 5 });
  expect(boundsFromRow(5, { squaredNorm: 0, scale: 1, residual: 0 }, 10)).toEqual({ least: 5, most: 5 });
  const most = Number.POSITIVE_INFINITY;
  expect(boundsFromProduct(0, { squaredNorm: 1, scale: 1, residual: 0 }, 1, 2 ** 24)).toEqual({ least: 0, most });
});
