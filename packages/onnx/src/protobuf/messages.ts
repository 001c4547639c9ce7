import { type MessageOf, many, one } from './codec.js';

// The messages of ONNX, as far as networks of layers need them, with the field numbers of `onnx/onnx.proto` (the ONNX
// project, Apache License 2.0). Fields that are not listed are skipped when read.

const entry = { key: one(1, 'string'), value: one(2, 'string') } as const;

/** `TensorProto`: a constant. Its values are in `raw`, in one of the typed lists, or in another file. */
export const tensorProto = {
  dims: many(1, 'int64'),
  dataType: one(2, 'int64'),
  floats: one(4, 'floats'),
  int32s: many(5, 'int64'),
  int64s: many(7, 'int64'),
  name: one(8, 'string'),
  raw: one(9, 'bytes'),
  doubles: one(10, 'doubles'),
  externalData: many(13, entry),
  /** 1: `externalData` tells the file, the offset and the length. */
  dataLocation: one(14, 'int64'),
} as const;

/** `AttributeProto`: an option of a node. `type` says which of the fields holds it. */
export const attributeProto = {
  name: one(1, 'string'),
  float: one(2, 'float'),
  int: one(3, 'int64'),
  string: one(4, 'bytes'),
  tensor: one(5, tensorProto),
  /** A graph, which only control flow has; kept as it is. */
  graph: one(6, 'bytes'),
  floats: one(7, 'floats'),
  ints: many(8, 'int64'),
  strings: many(9, 'bytes'),
  type: one(20, 'int64'),
} as const;

export const nodeProto = {
  inputs: many(1, 'string'),
  outputs: many(2, 'string'),
  name: one(3, 'string'),
  operator: one(4, 'string'),
  attributes: many(5, attributeProto),
  domain: one(7, 'string'),
} as const;

/** `ValueInfoProto`: the name, type and shape of a value. A dimension has a number or a name. */
export const valueProto = {
  name: one(1, 'string'),
  type: one(2, {
    tensor: one(1, {
      elementType: one(1, 'int64'),
      shape: one(2, { dims: many(1, { value: one(1, 'int64'), name: one(2, 'string') }) }),
    }),
  }),
} as const;

export const graphProto = {
  nodes: many(1, nodeProto),
  name: one(2, 'string'),
  initializers: many(5, tensorProto),
  inputs: many(11, valueProto),
  outputs: many(12, valueProto),
  values: many(13, valueProto),
  sparseInitializers: many(15, 'bytes'),
} as const;

export const modelProto = {
  irVersion: one(1, 'int64'),
  operatorSets: many(8, { domain: one(1, 'string'), version: one(2, 'int64') }),
  producer: one(2, 'string'),
  producerVersion: one(3, 'string'),
  graph: one(7, graphProto),
  metadata: many(14, entry),
} as const;

export type TensorProto = MessageOf<typeof tensorProto>;
export type AttributeProto = MessageOf<typeof attributeProto>;
export type NodeProto = MessageOf<typeof nodeProto>;
export type ValueProto = MessageOf<typeof valueProto>;
export type GraphProto = MessageOf<typeof graphProto>;
export type ModelProto = MessageOf<typeof modelProto>;

/** `AttributeProto.AttributeType`. */
export const attributeTypes = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
} as const;

/** `TensorProto.DataType`; an element of none of them is something that this package does not know. */
export const dataTypes = {
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  uint64: 13,
  complex64: 14,
  complex128: 15,
  bfloat16: 16,
  float8e4m3fn: 17,
  float8e4m3fnuz: 18,
  float8e5m2: 19,
  float8e5m2fnuz: 20,
  uint4: 21,
  int4: 22,
  float4e2m1: 23,
} as const;

/** What a data type is called: `float16`, or `type 99`. */
export function dataTypeName(type: number | undefined): string {
  return Object.entries(dataTypes).find(([, number]) => number === type)?.[0] ?? `type ${type ?? 0}`;
}
