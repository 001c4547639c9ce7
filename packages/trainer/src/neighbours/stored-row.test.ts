import { randomTensor } from '@alex/tensor/testing';
import { expect, it } from 'vitest';
import { StoredRow } from './stored-row.js';

function stored(values: readonly number[] | Float32Array) {
  const vector = Float32Array.from(values);
  const row = new StoredRow(vector.length);
  const bytes = new Uint8Array(row.bytes + 8);
  expect(row.encode(vector, bytes, 8)).toBe(true);
  return { row, bytes, vector, facts: row.facts(bytes, 8) };
}

/** The contents of a row, by an independent reading of IEEE halves. */
function valuesOf({ row, bytes, facts }: ReturnType<typeof stored>): number[] {
  const view = new DataView(bytes.buffer);
  return Array.from({ length: row.columns }, (_, i) => {
    const half = view.getUint16(8 + 2 * i, true);
    const [sign, exponent, fraction] = [half >> 15 ? -1 : 1, (half >> 10) & 31, half & 1023];
    expect(exponent).toBeLessThan(31);
    const magnitude = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
    return sign * magnitude * facts.scale;
  });
}

const length = (values: readonly number[]) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

it.each<[string, readonly number[] | Float32Array]>([
  ['of usual size', randomTensor([37], 1).data],
  ['too large for halves', randomTensor([5], 2, 1e30).data],
  ['the largest there are', [3.4028234663852886e38, -3.4028234663852886e38, 1]],
  ['too small for halves', randomTensor([6], 3, 1e-12).data],
  ['hardly above zero', [2 ** -149, -(2 ** -148), 0]],
  ['just below a power of two', [65535.996, 65519.99, 65520, 1, 32767.999]],
  ['of one value', [0.1]],
  ['of zeros', [0, -0, 0, 0, 0]],
])('a vector %s is within the stored distance of the stored vector, and the stored length is right', (_, values) => {
  const one = stored(values);
  const own = valuesOf(one);
  expect(Math.sqrt(one.facts.squaredNorm)).toBeCloseTo(length(own), 10 - Math.ceil(Math.log10(length(own) + 1)));
  const distance = length(own.map((value, i) => value - one.vector[i]!));
  expect(one.facts.residual).toBeGreaterThanOrEqual(distance);
  expect(one.facts.residual).toBeLessThanOrEqual(distance * 1.00001 + 2 ** -148);
  // Half a unit in the last of eleven digits of the largest, each.
  const largest = Math.max(...one.vector.map(Math.abs));
  expect(distance).toBeLessThanOrEqual(Math.max(largest * 2 ** -11, 2 ** -149) * Math.sqrt(own.length));
});

it('returns the squared distance from a vector to the stored one', () => {
  const one = stored(randomTensor([11], 4).data);
  const other = randomTensor([11], 5).data;
  const wanted = length(valuesOf(one).map((value, i) => value - other[i]!)) ** 2;
  expect(one.row.squaredDistance(one.bytes, 8, other)).toBeCloseTo(wanted, 12);
});

it.each([0, 9, 21, 22, 30, 45, 46])('a row with a changed bit in byte %i is detected', (byte) => {
  const { row, bytes } = stored(randomTensor([11], 6).data);
  expect(row.bytes).toBe(24 + 24);
  expect(row.isWhole(bytes, 8)).toBe(true);
  bytes[8 + byte]! ^= 4;
  expect(row.isWhole(bytes, 8)).toBe(false);
});

it('a row that was never written is not intact', () => {
  const row = new StoredRow(5);
  expect(row.isWhole(new Uint8Array(row.bytes), 0)).toBe(false);
});

it.each([Number.NaN, Number.POSITIVE_INFINITY])('a vector with %f is refused', (value) => {
  const row = new StoredRow(2);
  const bytes = new Uint8Array(row.bytes);
  expect(row.encode(Float32Array.of(1, value), bytes, 0)).toBe(false);
  expect(bytes.every((byte) => byte === 0)).toBe(true);
});
