import type { HostTensor, Shape } from '@alex/tensor';
import type { PartOf } from '../protobuf/codec.js';
import {
  type attributeProto,
  attributeTypes,
  dataTypes,
  type graphProto,
  type nodeProto,
  type tensorProto,
  type valueProto,
} from '../protobuf/messages.js';

/** The name of the number of images, which a model leaves open. */
const BATCH = 'N';

/** A whole number, several of them, or a fraction. */
type Attribute = number | readonly number[] | { readonly float: number };

/** A node to be added. */
interface NewNode {
  readonly inputs: readonly string[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** The shape of its output, `[N, ...]`; omitted where the first size is something else than the number of images. */
  readonly shape?: Shape;
}

/** Collects the nodes and constants of a graph, in the order in which they compute. */
export class GraphWriter {
  readonly #nodes: PartOf<typeof nodeProto>[] = [];
  readonly #initializers: PartOf<typeof tensorProto>[] = [];
  readonly #values: PartOf<typeof valueProto>[] = [];
  readonly #inputs: PartOf<typeof valueProto>[] = [];

  /** Adds an input `[N, ...]`; returns its name. */
  input(name: string, shape: Shape): string {
    this.#inputs.push(describedValue(name, shape));
    return name;
  }

  /** Adds a node with one output, which has the node's name; returns it. */
  add(operator: string, name: string, { inputs, attributes = {}, shape }: NewNode): string {
    this.#nodes.push({
      inputs,
      outputs: [name],
      name,
      operator,
      attributes: Object.entries(attributes).map(([key, value]) => attributeOf(key, value)),
    });
    if (shape) this.#values.push(describedValue(name, shape));
    return name;
  }

  /** Adds a constant of float32 values; returns its name. The values must not change before `finish`. */
  constant(name: string, { shape, data }: HostTensor): string {
    const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.#initializers.push({ dims: shape, dataType: dataTypes.float, name, raw });
    return name;
  }

  /** Adds a constant of whole numbers; returns its name. */
  wholeNumbers(name: string, values: readonly number[]): string {
    const raw = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    this.#initializers.push({ dims: [values.length], dataType: dataTypes.int64, name, raw });
    return name;
  }

  /** Adds a constant of one number; returns its name. */
  scalar(name: string, value: number): string {
    return this.constant(name, { shape: [], data: Float32Array.of(value) });
  }

  /** The graph, whose output is that of the last node. */
  finish(name: string): PartOf<typeof graphProto> {
    const output = this.#values.at(-1)!;
    return {
      nodes: this.#nodes,
      name,
      initializers: this.#initializers,
      inputs: this.#inputs,
      outputs: [output],
      values: this.#values.slice(0, -1),
    };
  }
}

function attributeOf(name: string, value: Attribute): PartOf<typeof attributeProto> {
  if (typeof value === 'number') return { name, int: value, type: attributeTypes.int };
  if ('float' in value) return { name, float: value.float, type: attributeTypes.float };
  return { name, ints: value, type: attributeTypes.ints };
}

function describedValue(name: string, [, ...sizes]: Shape): PartOf<typeof valueProto> {
  const dims = [{ name: BATCH }, ...sizes.map((value) => ({ value }))];
  return { name, type: { tensor: { elementType: dataTypes.float, shape: { dims } } } };
}
