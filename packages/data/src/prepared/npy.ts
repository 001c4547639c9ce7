import { DataError } from '@alex/tensor';

const magic = Buffer.from('\x93NUMPY\x01\x00', 'latin1');

/** A float32 array in NumPy's file format, version 1.0, for inspection with other tools. */
export function encodeNpy(shape: readonly number[], values: ArrayLike<number>): Buffer {
  const description = headerOf(shape);
  const header = Buffer.alloc(10);
  magic.copy(header);
  header.writeUInt16LE(description.length, 8);
  const data = Buffer.alloc(4 * values.length);
  for (let i = 0; i < values.length; i++) data.writeFloatLE(values[i]!, 4 * i);
  return Buffer.concat([header, description, data]);
}

/**
 * Reads a file of `encodeNpy`.
 *
 * @throws DataError if the file contains anything but float32 of this shape.
 */
export function decodeNpy(name: string, bytes: Buffer, shape: readonly number[]): Float32Array {
  const count = shape.reduce((product, size) => product * size, 1);
  const start = 10 + headerOf(shape).length;
  const expected = encodeNpy(shape, []);
  if (bytes.length !== start + 4 * count || !bytes.subarray(0, start).equals(expected)) {
    throw new DataError(`${name} contains no float32 [${shape.join(', ')}]: prepare the data again`);
  }
  return Float32Array.from({ length: count }, (_, i) => bytes.readFloatLE(start + 4 * i));
}

/** Padded so that the data begin at a multiple of 64. */
function headerOf(shape: readonly number[]): Buffer {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  return Buffer.from(`${text.padEnd(length - 1)}\n`, 'latin1');
}
