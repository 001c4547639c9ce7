import { AlexError, CheckpointError } from '@alex/tensor';
import type { AttributeProto, NodeProto } from '../protobuf/messages.js';

/** A node of a graph, with its options by name. */
export class Node {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly operator: string;
  readonly #name: string;
  readonly #attributes: ReadonlyMap<string, AttributeProto>;

  constructor({ inputs, outputs, operator = '', name, attributes, domain = '' }: NodeProto) {
    this.inputs = inputs;
    this.outputs = outputs;
    this.operator = domain === '' || domain === 'ai.onnx' ? operator : `${domain}.${operator}`;
    // Programs may leave the names of nodes empty; their outputs have some.
    this.#name = name || outputs[0] || '';
    this.#attributes = new Map(attributes.map((attribute) => [attribute.name ?? '', attribute]));
  }

  /** The first output: the others are masks, or places of maxima. */
  get output(): string {
    return this.outputs[0] ?? '';
  }

  /** @throws CheckpointError that names the node, its operator and the reason, which should say what to do */
  refuse(reason: string): never {
    throw new CheckpointError(`node '${this.#name}' (${this.operator}): ${reason}`);
  }

  /** Makes something of the node; whatever is refused then, is refused with the node's name. */
  attempt<Made>(make: () => Made): Made {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof AlexError) || error instanceof CheckpointError) throw error;
      return this.refuse(error.message);
    }
  }

  /** Refuses options that would be passed over. */
  checkAttributes(...known: readonly string[]): void {
    const unknown = [...this.#attributes.keys()].find((name) => !known.includes(name) && !harmless.includes(name));
    if (unknown !== undefined) {
      this.refuse(`the attribute ${unknown} is not understood here; export the model without it`);
    }
  }

  has(attribute: string): boolean {
    return this.#attributes.has(attribute);
  }

  /** The only value that is understood of an option that others may have. */
  mustBe(attribute: string, value: number): void {
    const found = this.int(attribute, value);
    if (found !== value) this.refuse(`the attribute ${attribute} is ${found}; only ${value} is understood`);
  }

  int(attribute: string, byDefault: number): number {
    return this.#attributes.get(attribute)?.int ?? byDefault;
  }

  float(attribute: string, byDefault: number): number {
    return this.#attributes.get(attribute)?.float ?? byDefault;
  }

  ints(attribute: string): readonly number[] | undefined {
    return this.#attributes.get(attribute)?.ints;
  }

  string(attribute: string, byDefault: string): string {
    const bytes = this.#attributes.get(attribute)?.string;
    return bytes ? new TextDecoder().decode(bytes) : byDefault;
  }

  tensor(attribute: string): AttributeProto['tensor'] {
    return this.#attributes.get(attribute)?.tensor;
  }

  floats(attribute: string): Float32Array | undefined {
    return this.#attributes.get(attribute)?.floats;
  }
}

/** Hints of old versions, which change nothing that is computed. */
const harmless = ['consumed_inputs', 'is_test', 'legacy_optimized_attribute', 'spatial'];
