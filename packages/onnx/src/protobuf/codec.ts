import { CheckpointError } from '@alex/tensor';
import protobuf from 'protobufjs/minimal.js';

// Messages as data: a schema lists the fields of a message, and one function reads and one writes whatever it lists.
// The library does the wire format. Its own message classes would be compiled at run time, which pages may forbid.

/** What a field holds; `floats` and `doubles` are whole lists of numbers, `int64` is any whole number. */
interface ScalarValues {
  readonly string: string;
  readonly bytes: Uint8Array;
  readonly int64: number;
  readonly float: number;
  readonly floats: Float32Array;
  readonly doubles: Float64Array;
}
type Scalar = keyof ScalarValues;

/** A field of a message: its number, what it holds, and whether it may come several times. */
export interface Field<Type extends Scalar | Schema = Scalar | Schema, Repeated extends boolean = boolean> {
  readonly number: number;
  readonly type: Type;
  readonly repeated: Repeated;
}

/** The fields of a message, by the names that this package has for them. */
export interface Schema {
  readonly [name: string]: Field;
}

type ValueOf<Type> = Type extends Scalar ? ScalarValues[Type] : Type extends Schema ? MessageOf<Type> : never;
type Single<Fields extends Schema> = {
  [K in keyof Fields]: Fields[K]['repeated'] extends true ? never : K;
}[keyof Fields];

/** A message: repeated fields are lists, perhaps empty ones; others may be missing. */
export type MessageOf<Fields extends Schema> = {
  readonly [K in Exclude<keyof Fields, Single<Fields>>]: readonly ValueOf<Fields[K]['type']>[];
} & {
  readonly [K in Single<Fields>]?: ValueOf<Fields[K]['type']>;
};

type PartValue<Type> = Type extends Scalar ? ScalarValues[Type] : Type extends Schema ? PartOf<Type> : never;

/** A message to be written: every field may be left out. */
export type PartOf<Fields extends Schema> = {
  readonly [K in keyof Fields]?: Fields[K]['repeated'] extends true
    ? readonly PartValue<Fields[K]['type']>[]
    : PartValue<Fields[K]['type']>;
};

export const one = <const Type extends Scalar | Schema>(number: number, type: Type): Field<Type, false> => ({
  number,
  type,
  repeated: false,
});

export const many = <const Type extends Scalar | Schema>(number: number, type: Type): Field<Type, true> => ({
  number,
  type,
  repeated: true,
});

const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** The type on the wire of one value. */
function wireOf(type: Scalar | Schema): number {
  if (type === 'int64') return wire.varint;
  return type === 'float' ? wire.fixed32 : wire.bytes;
}

/** Writes a message. `floats` and `doubles` are packed, other repeated fields are not, as `onnx.proto` has it. */
export function encode<Fields extends Schema>(schema: Fields, message: PartOf<Fields>): Uint8Array {
  const writer = protobuf.Writer.create();
  write(writer, schema, message);
  return writer.finish();
}

function write(writer: protobuf.Writer, schema: Schema, message: Readonly<Record<string, unknown>>): void {
  for (const [name, { number, type, repeated }] of Object.entries(schema)) {
    const value = message[name];
    if (value === undefined) continue;
    for (const item of repeated ? (value as readonly unknown[]) : [value]) {
      writer.uint32(((number << 3) | wireOf(type)) >>> 0);
      if (typeof type === 'object') {
        writer.fork();
        write(writer, type, item as Readonly<Record<string, unknown>>);
        writer.ldelim();
      } else if (type === 'floats' || type === 'doubles') {
        const { buffer, byteOffset, byteLength } = item as Float32Array | Float64Array;
        writer.bytes(new Uint8Array(buffer, byteOffset, byteLength));
      } else if (type === 'bytes') writer.bytes(item as Uint8Array);
      else if (type === 'string') writer.string(item as string);
      else if (type === 'float') writer.float(item as number);
      else writer.int64(item as number);
    }
  }
}

/**
 * Reads a message. `bytes` are views of the given ones.
 *
 * @throws CheckpointError if it is truncated, or no such message
 */
export function decode<Fields extends Schema>(schema: Fields, bytes: Uint8Array): MessageOf<Fields> {
  const reader = protobuf.Reader.create(bytes);
  try {
    return read(reader, schema, reader.len) as MessageOf<Fields>;
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    const defect =
      error instanceof RangeError ? 'it is truncated' : `no protobuf field begins near its byte ${reader.pos}`;
    throw new CheckpointError(`not a usable ONNX model: ${defect}`, { cause: error });
  }
}

function read(reader: protobuf.Reader, schema: Schema, end: number): Record<string, unknown> {
  const message: Record<string, unknown> = {};
  const names = new Map<number, string>();
  for (const [name, { number, repeated }] of Object.entries(schema)) {
    names.set(number, name);
    if (repeated) message[name] = [];
  }
  while (reader.pos < end) {
    const tag = reader.uint32();
    const name = names.get(tag >>> 3);
    if (tag >>> 3 === 0) throw new Error('no field has the number 0');
    if (name === undefined) {
      reader.skipType(tag & 7);
      continue;
    }
    const { type, repeated } = schema[name]!;
    if (repeated) (message[name] as unknown[]).push(...valuesOf(reader, type, tag & 7));
    else message[name] = joined(message[name], valuesOf(reader, type, tag & 7)[0], type);
    if (reader.pos > end) throw new RangeError('the message ends inside a field');
  }
  return message;
}

/** Lists may come in several parts, or number by number. */
function joined(before: unknown, value: unknown, type: Scalar | Schema): unknown {
  if (before === undefined || (type !== 'floats' && type !== 'doubles')) return value;
  const [head, tail] = [before as Float32Array, value as Float32Array];
  const whole =
    type === 'floats' ? new Float32Array(head.length + tail.length) : new Float64Array(head.length + tail.length);
  whole.set(head);
  whole.set(tail, head.length);
  return whole;
}

/** One value, or several packed ones. */
function valuesOf(reader: protobuf.Reader, type: Scalar | Schema, found: number): unknown[] {
  if (type === 'int64' && found === wire.bytes) {
    const values: number[] = [];
    const end = endOf(reader);
    while (reader.pos < end) values.push(Number(reader.int64()));
    return values;
  }
  if (type === 'floats' && found === wire.fixed32) return [Float32Array.of(reader.float())];
  if (type === 'doubles' && found === wire.fixed64) return [Float64Array.of(reader.double())];
  if (found !== wireOf(type)) throw new Error(`a field has the wire type ${found}`);
  if (typeof type === 'object') return [read(reader, type, endOf(reader))];
  switch (type) {
    case 'string':
      return [reader.string()];
    case 'bytes':
      return [reader.bytes()];
    case 'int64':
      return [Number(reader.int64())];
    case 'float':
      return [reader.float()];
    case 'floats':
      return [new Float32Array(aligned(reader.bytes(), 4))];
    case 'doubles':
      return [new Float64Array(aligned(reader.bytes(), 8))];
  }
}

function endOf(reader: protobuf.Reader): number {
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len) throw new RangeError('the message ends inside a field');
  return end;
}

function aligned(bytes: Uint8Array, width: number): ArrayBuffer {
  if (bytes.length % width !== 0) throw new Error(`a list of numbers of ${width} bytes has ${bytes.length} bytes`);
  return new Uint8Array(bytes).buffer;
}
