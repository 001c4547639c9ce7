import { DataError } from '@alex/tensor';

const magic = Buffer.from('\x93NUMPY\x01\x00', 'latin1');

/** A float32 array in NumPy's file format, version 1.0, for inspection with other tools. */
export function encodeNpy(shape: readonly number[], values: ArrayLike<number>): Buffer {
  const data = Buffer.alloc(4 * values.length);
  for (let i = 0; i < values.length; i++) data.writeFloatLE(values[i]!, 4 * i);
  return Buffer.concat([npyHeader(shape), data]);
}

/**
 * The header of a file in NumPy's format, version 1.0, for float32 (little-endian, row-major) of this shape. The values follow
 * it.
 *
 * @param least the least number of bytes: if the number of rows is not known yet, this reserves space for the largest
 */
export function npyHeader(shape: readonly number[], least = 0): Buffer {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }`;
  // Padded so that the data begin at a multiple of 64.
  const length = Math.max(least, Math.ceil((magic.length + 2 + text.length + 1) / 64) * 64);
  const header = Buffer.alloc(length, ' ');
  magic.copy(header);
  header.writeUInt16LE(length - magic.length - 2, magic.length);
  header.write(text, magic.length + 2, 'latin1');
  header.write('\n', length - 1, 'latin1');
  return header;
}

/**
 * Reads a file of `encodeNpy`.
 *
 * @throws DataError if the file contains anything but float32 of this shape.
 */
export function decodeNpy(name: string, bytes: Buffer, shape: readonly number[]): Float32Array {
  const count = shape.reduce((product, size) => product * size, 1);
  const header = npyHeader(shape);
  const start = header.length;
  if (bytes.length !== start + 4 * count || !bytes.subarray(0, start).equals(header)) {
    throw new DataError(`${name} contains no float32 [${shape.join(', ')}]: prepare the data again`);
  }
  return Float32Array.from({ length: count }, (_, i) => bytes.readFloatLE(start + 4 * i));
}
