import { inflateSync } from 'node:zlib';
import { DataError } from '@alex/tensor';
import { reason } from '../files.js';

/** The value of a variable: text, numbers, or a list of records (a struct array) or values (a cell array). */
export type MatValue = string | readonly number[] | readonly MatValue[] | readonly Readonly<Record<string, MatValue>>[];

/** Types of a data element, and how to read one of its numbers ("MAT-File Format", MathWorks, chapter 1). */
const numberTypes: Readonly<
  Record<number, { bytes: number; read(view: DataView, at: number, little: boolean): number }>
> = {
  1: { bytes: 1, read: (view, at) => view.getInt8(at) },
  2: { bytes: 1, read: (view, at) => view.getUint8(at) },
  3: { bytes: 2, read: (view, at, little) => view.getInt16(at, little) },
  4: { bytes: 2, read: (view, at, little) => view.getUint16(at, little) },
  5: { bytes: 4, read: (view, at, little) => view.getInt32(at, little) },
  6: { bytes: 4, read: (view, at, little) => view.getUint32(at, little) },
  7: { bytes: 4, read: (view, at, little) => view.getFloat32(at, little) },
  9: { bytes: 8, read: (view, at, little) => view.getFloat64(at, little) },
  16: { bytes: 1, read: (view, at) => view.getUint8(at) },
  17: { bytes: 2, read: (view, at, little) => view.getUint16(at, little) },
};
const matrixType = 14;
const compressedType = 15;
const utf8Type = 16;
const arrayClass = { cell: 1, struct: 2, char: 4, firstNumeric: 6 };
const headerBytes = 128;
/** The greatest nesting in files of data sets is a record within a record within a variable. */
const deepest = 8;
const mostInflated = 2 ** 28;

/**
 * The variables of a MATLAB file of version 5 to 7, as far as data sets use them: numbers, texts, records and cells.
 *
 * @throws DataError if the file is of another version or damaged.
 */
export function readMatFile(name: string, content: Uint8Array): Record<string, MatValue> {
  const damaged = (why: string) => new DataError(`${name} is not a readable MATLAB 5 file: ${why}; get it again`);
  const mark = content.length >= headerBytes ? Buffer.from(content.subarray(126, 128)).toString('latin1') : '';
  if (mark !== 'IM' && mark !== 'MI') throw damaged('its header is something else');
  const little = mark === 'IM';

  interface Element {
    type: number;
    data: Uint8Array;
  }

  /** The consecutive elements in some bytes. */
  function* elements(bytes: Uint8Array): Generator<Element, undefined, undefined> {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at + 8 <= bytes.length; ) {
      const first = view.getUint32(at, little);
      // Up to four bytes of data share the tag with their length.
      const small = first >>> 16;
      const type = small ? first & 0xffff : first;
      const length = small || view.getUint32(at + 4, little);
      const start = at + (small ? 4 : 8);
      if (start + length > bytes.length || (small && length > 4)) throw damaged('an element extends beyond its end');
      const data = bytes.subarray(start, start + length);
      at = small ? at + 8 : type === compressedType ? start + length : start + Math.ceil(length / 8) * 8;
      if (type !== compressedType) yield { type, data };
      else yield* elements(inflated(data));
    }
    return undefined;
  }

  function inflated(data: Uint8Array): Uint8Array {
    try {
      return inflateSync(data, { maxOutputLength: mostInflated });
    } catch (error) {
      throw damaged(reason(error));
    }
  }

  function numbers({ type, data }: Element): number[] {
    const kind = numberTypes[type];
    if (!kind) throw damaged(`it contains data of the unknown type ${type}`);
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    return Array.from({ length: Math.floor(data.length / kind.bytes) }, (_, i) =>
      kind.read(view, i * kind.bytes, little),
    );
  }

  const textOf = (element: Element) =>
    element.type === utf8Type
      ? Buffer.from(element.data).toString('utf8')
      : numbers(element)
          .map((code) => String.fromCharCode(code))
          .join('');

  function matrix(data: Uint8Array, depth: number): { name: string; value: MatValue } {
    if (depth > deepest) throw damaged('its records are nested too deep');
    if (data.length === 0) return { name: '', value: [] };
    const parts = elements(data);
    const next = (): Element => {
      const { value } = parts.next();
      if (!value) throw damaged('a variable is truncated');
      return value;
    };
    const kind = (numbers(next())[0] ?? 0) & 0xff;
    const count = numbers(next()).reduce((product, size) => product * Math.max(0, size), 1);
    const variable = textOf(next());
    const nested = () => {
      const element = next();
      if (element.type !== matrixType) throw damaged('a record contains no variable');
      return matrix(element.data, depth + 1).value;
    };
    if (kind === arrayClass.char) return { name: variable, value: count === 0 ? '' : textOf(next()) };
    if (kind === arrayClass.cell) return { name: variable, value: repeat(count, data.length, nested) };
    if (kind === arrayClass.struct) {
      const fieldLength = numbers(next())[0] ?? 0;
      const names = Buffer.from(next().data).toString('latin1');
      if (fieldLength < 1 || names.length % fieldLength !== 0) throw damaged('its field names are truncated');
      const fields = Array.from({ length: names.length / fieldLength }, (_, i) =>
        names.slice(i * fieldLength, (i + 1) * fieldLength).replace(/\0.*$/s, ''),
      );
      const records = repeat(count, data.length, () => Object.fromEntries(fields.map((field) => [field, nested()])));
      return { name: variable, value: records };
    }
    if (kind >= arrayClass.firstNumeric) return { name: variable, value: count === 0 ? [] : numbers(next()) };
    throw damaged(`it contains an array of the unknown class ${kind}`);
  }

  /** A number of values that can fit the given bytes: each takes at least eight. */
  function repeat<Value>(count: number, bytes: number, make: () => Value): Value[] {
    if (count * 8 > bytes) throw damaged(`${count} values do not fit ${bytes} bytes`);
    return Array.from({ length: count }, make);
  }

  const variables: Record<string, MatValue> = {};
  for (const { type, data } of elements(content.subarray(headerBytes))) {
    if (type !== matrixType) continue;
    const { name: variable, value } = matrix(data, 0);
    variables[variable] = value;
  }
  return variables;
}
