import { CheckpointError } from '@alex/tensor';
import type { GraphProto, TensorProto, ValueProto } from '../protobuf/messages.js';
import { type Evaluation, evaluate } from './constants.js';
import { Node } from './node.js';
import { type ConstantValue, valuesOf } from './tensor-values.js';

/** A graph by the names of its values: who makes them, who reads them, and which of them are constants. */
export class Graph implements Evaluation {
  readonly opset: number;
  readonly input: ValueProto;
  readonly output: string;
  readonly #initializers: ReadonlyMap<string, TensorProto>;
  readonly #producers: ReadonlyMap<string, Node>;
  readonly #readers = new Map<string, Node[]>();
  /** Shapes of values that are not constant, as far as they are known. */
  readonly #shapes = new Map<string, readonly number[]>();

  constructor(graph: GraphProto, opset: number) {
    this.opset = opset;
    if (graph.sparseInitializers.length > 0) fail('it has sparse weights; export it with dense ones');
    this.#initializers = new Map(graph.initializers.map((tensor) => [tensor.name ?? '', tensor]));
    const nodes = graph.nodes.map((node) => new Node(node));
    this.#producers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node])));
    // Until IR version 4, constants were listed among the inputs.
    const inputs = graph.inputs.filter(({ name = '' }) => !this.#initializers.has(name));
    if (inputs.length !== 1) {
      const names = inputs.map(({ name }) => name).join(', ') || 'none';
      fail(`it must have one input, the images, and has ${names}; make the others constants`);
    }
    this.input = inputs[0]!;
    this.output = graph.outputs[0]?.name ?? fail('it has no output');
    this.#listReaders();
  }

  /** The nodes that read a value and that the output needs, without those that only ask for its shape. */
  readersOf(value: string): readonly Node[] {
    return this.#readers.get(value) ?? [];
  }

  /** Remembers the shape of a value, for what is computed from shapes. */
  noteShape(value: string, shape: readonly number[]): void {
    this.#shapes.set(value, shape);
  }

  shapeOf(value: string): readonly number[] | undefined {
    return this.#shapes.get(value);
  }

  producerOf(value: string): Node | undefined {
    return this.#producers.get(value);
  }

  initializerOf(value: string): ConstantValue | undefined {
    const tensor = this.#initializers.get(value);
    return tensor && valuesOf(tensor);
  }

  /** The value of a constant, however it is made; undefined for what depends on the images. */
  constant(value: string | undefined): ConstantValue | undefined {
    return value === undefined || value === '' ? undefined : evaluate(value, this);
  }

  #listReaders(): void {
    const seen = new Set<Node>();
    const open = [this.output];
    while (open.length > 0) {
      const node = this.#producers.get(open.pop()!);
      if (!node || seen.has(node)) continue;
      seen.add(node);
      open.push(...node.inputs);
      if (node.operator === 'Shape') continue;
      for (const input of new Set(node.inputs)) this.#readers.set(input, [...(this.#readers.get(input) ?? []), node]);
    }
  }
}

function fail(defect: string): never {
  throw new CheckpointError(`not a usable ONNX model: ${defect}`);
}
