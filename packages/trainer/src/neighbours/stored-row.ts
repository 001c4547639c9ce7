import { crc32 } from 'node:zlib';
import { fromHalves, toHalves } from '@alex/tensor/kernels';

/** Facts about a vector: the last 24 bytes of its row. */
export interface RowFacts {
  /** The square of the length of the stored vector. */
  readonly squaredNorm: number;
  /**
   * The stored halves are multiplied by this to get the values: a power of two, so that no vector is too large or too small
   * for halves.
   */
  readonly scale: number;
  /** The distance between the stored and the given vector, rounded up. */
  readonly residual: number;
}

const factBytes = 24;
/** The value of every half, by its bits: 40 times as fast as computing it. */
let halfValues: Float32Array | undefined;
const valueOfHalf = () => (halfValues ??= fromHalves(Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits)));

/**
 * The layout of a vector on disk: its values as halves, zeros up to a multiple of eight bytes, facts about it, and the CRC-32
 * of all that. Rows have the same length, and each can be checked separately.
 */
export class StoredRow {
  readonly columns: number;
  /** The number of halves in a row, with the zeros. */
  readonly halves: number;
  readonly bytes: number;

  constructor(columns: number) {
    this.columns = columns;
    this.halves = 4 * Math.ceil(columns / 4);
    this.bytes = 2 * this.halves + factBytes;
  }

  /**
   * Writes a vector as the row that starts at byte `at`, a multiple of eight.
   *
   * @returns false, with nothing written, if a value is not finite
   */
  encode(values: Float32Array, target: Uint8Array, at: number): boolean {
    let largest = 0;
    for (const value of values) {
      if (!Number.isFinite(value)) return false;
      largest = Math.max(largest, Math.abs(value));
    }
    // The largest halves are below 2^16.
    const scale = largest === 0 ? 1 : 2 ** Math.max(-126, Math.floor(Math.log2(largest)) - 14);
    const halves = toHalves(values.map((value) => value / scale));
    const stored = new Uint16Array(target.buffer, target.byteOffset + at, this.halves);
    stored.fill(0);
    stored.set(halves.subarray(0, this.columns));
    const known = valueOfHalf();
    let squaredNorm = 0;
    let squaredResidual = 0;
    for (let i = 0; i < this.columns; i++) {
      const value = known[stored[i]!]! * scale;
      squaredNorm += value * value;
      squaredResidual += (value - values[i]!) ** 2;
    }
    const facts = this.#facts(target, at);
    facts.setFloat64(0, squaredNorm, true);
    facts.setFloat32(8, scale, true);
    facts.setFloat32(12, roundedUp(Math.sqrt(squaredResidual)), true);
    facts.setUint32(16, 0, true);
    facts.setUint32(20, this.#checkSum(target, at), true);
    return true;
  }

  /** Whether the row that starts at byte `at` is intact. */
  isWhole(bytes: Uint8Array, at: number): boolean {
    return this.#facts(bytes, at).getUint32(20, true) === this.#checkSum(bytes, at);
  }

  facts(bytes: Uint8Array, at: number): RowFacts {
    const facts = this.#facts(bytes, at);
    return {
      squaredNorm: facts.getFloat64(0, true),
      scale: facts.getFloat32(8, true),
      residual: facts.getFloat32(12, true),
    };
  }

  /** The square of the distance between a vector and the stored one. */
  squaredDistance(bytes: Uint8Array, at: number, vector: Float32Array): number {
    const stored = new Uint16Array(bytes.buffer, bytes.byteOffset + at, this.columns);
    const { scale } = this.facts(bytes, at);
    const known = valueOfHalf();
    let sum = 0;
    for (let i = 0; i < stored.length; i++) sum += (known[stored[i]!]! * scale - vector[i]!) ** 2;
    return sum;
  }

  #facts(bytes: Uint8Array, at: number): DataView {
    return new DataView(bytes.buffer, bytes.byteOffset + at + 2 * this.halves, factBytes);
  }

  #checkSum(bytes: Uint8Array, at: number): number {
    return crc32(bytes.subarray(at, at + this.bytes - 4));
  }
}

/** The smallest float32 that is not below a number of at least 0, with a margin for the rounding of that number. */
function roundedUp(value: number): number {
  const float = Math.fround(value * (1 + 2 ** -22));
  return float >= value ? float : Math.fround(value * (1 + 2 ** -20) + 2 ** -149);
}
