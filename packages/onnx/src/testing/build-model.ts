import type { HostTensor } from '@alex/tensor';
import { encode, type PartOf } from '../protobuf/codec.js';
import {
  type attributeProto,
  attributeTypes,
  dataTypes,
  modelProto,
  type nodeProto,
  type tensorProto,
} from '../protobuf/messages.js';

type Attribute = number | string | readonly number[] | { readonly float: number } | PartOf<typeof tensorProto>;

/** A node: `node('Conv', 'x w b', 'y', { group: 2 })`. */
export function node(
  operator: string,
  inputs: string,
  outputs: string,
  attributes: Readonly<Record<string, Attribute>> = {},
): PartOf<typeof nodeProto> {
  return {
    operator,
    // A dash stands for an input that is left out.
    inputs: inputs.split(' ').map((name) => (name === '-' ? '' : name)),
    outputs: outputs.split(' '),
    attributes: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
  };
}

function attribute(name: string, value: Attribute): PartOf<typeof attributeProto> {
  if (typeof value === 'number') return { name, int: value, type: attributeTypes.int };
  if (typeof value === 'string') return { name, string: new TextEncoder().encode(value), type: attributeTypes.string };
  if (Array.isArray(value)) return { name, ints: value, type: attributeTypes.ints };
  if ('float' in value) return { name, float: value.float, type: attributeTypes.float };
  return { name, tensor: value as PartOf<typeof tensorProto>, type: attributeTypes.tensor };
}

/** A constant of float32, in the field that older programs use. */
export function floats({ shape, data }: HostTensor, name?: string): PartOf<typeof tensorProto> {
  return { dims: shape, dataType: dataTypes.float, floats: data, ...(name !== undefined && { name }) };
}

/** A constant list of whole numbers. */
export function wholeNumbers(values: readonly number[], name?: string): PartOf<typeof tensorProto> {
  const raw = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
  return { dims: [values.length], dataType: dataTypes.int64, raw, ...(name !== undefined && { name }) };
}

/** What a model is built of. */
export interface ModelParts {
  readonly nodes: readonly PartOf<typeof nodeProto>[];
  /** By name. */
  readonly constants?: Readonly<Record<string, HostTensor | readonly number[] | PartOf<typeof tensorProto>>>;
  /** Of the images `x`; a text is an open size. */
  readonly input: readonly (number | string)[];
  readonly opset?: number;
  /** Whether constants are listed among the inputs, as until IR version 3. */
  readonly isOld?: boolean;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A model whose images are `x`, and whose output is that of its last node. */
export function build({
  nodes,
  constants = {},
  input,
  opset = 13,
  isOld = false,
  metadata = {},
}: ModelParts): Uint8Array {
  const value = (name: string, sizes?: readonly (number | string)[], elementType: number = dataTypes.float) => ({
    name,
    type: {
      tensor: {
        elementType,
        ...(sizes && {
          shape: { dims: sizes.map((size) => (typeof size === 'string' ? { name: size } : { value: size })) },
        }),
      },
    },
  });
  const initializers = Object.entries(constants).map(([name, constant]) => {
    if (Array.isArray(constant)) return wholeNumbers(constant, name);
    return 'data' in constant ? floats(constant, name) : { ...(constant as PartOf<typeof tensorProto>), name };
  });
  return encode(modelProto, {
    irVersion: isOld ? 3 : 7,
    producer: 'test',
    operatorSets: [{ version: opset }],
    graph: {
      name: 'built',
      nodes,
      initializers,
      inputs: [
        value('x', input),
        ...(isOld ? initializers.map(({ name, dims, dataType }) => value(name!, dims, dataType)) : []),
      ],
      outputs: [value(nodes.at(-1)!.outputs![0]!)],
    },
    metadata: Object.entries(metadata).map(([key, text]) => ({ key, value: text })),
  });
}
