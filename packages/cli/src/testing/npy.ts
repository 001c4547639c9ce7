import { readFile } from 'node:fs/promises';

/** A NumPy array. */
export interface NpyArray {
  readonly shape: number[];
  readonly values: number[];
}

/**
 * Reads a `.npy` file according to NumPy's description of the format (NEP 1): magic, version, length of the header, a Python
 * dictionary, then the values. It shares no code with the writer of such files.
 */
export async function readNpy(path: string): Promise<NpyArray> {
  const bytes = await readFile(path);
  const fail = (what: string) => new Error(`${path}: ${what}`);
  if (bytes[0] !== 0x93 || bytes.toString('latin1', 1, 6) !== 'NUMPY') throw fail('no magic');
  if (bytes[6] !== 1 || bytes[7] !== 0) throw fail(`version ${bytes[6]}.${bytes[7]}`);
  const length = bytes[8]! + 256 * bytes[9]!;
  const header = bytes.toString('latin1', 10, 10 + length);
  if ((10 + length) % 64 !== 0) throw fail('the values are not aligned');
  if (!header.endsWith('\n')) throw fail('the header does not end in a new line');
  const entries = /^\{'descr': '([^']*)', 'fortran_order': (True|False), 'shape': \(([\d, ]*)\), \} *\n$/.exec(header);
  if (!entries) throw fail(`the header is ${header}`);
  const [, type, fortran, sizes] = entries as unknown as [string, string, string, string];
  if (type !== '<f4' || fortran !== 'False') throw fail(`type ${type}, ${fortran}`);
  const shape = sizes.split(',').flatMap((size) => (size.trim() === '' ? [] : [Number(size)]));
  const values: number[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 10 + length; at < bytes.length; at += 4) values.push(view.getFloat32(at, true));
  if (values.length !== shape.reduce((product, size) => product * size, 1))
    throw fail(`${values.length} values of ${shape}`);
  return { shape, values };
}
