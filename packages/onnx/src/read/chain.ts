import type { HostTensor, Layer, Shape } from '@alex/tensor';
import type { Padding } from '@alex/tensor/kernels';
import type { Graph } from './graph.js';
import { ImageSteps } from './image-steps.js';
import type { Node } from './node.js';
import type { ConstantValue } from './tensor-values.js';

/** A layer that learns, until its parameters are complete: some programs add biases and scales as nodes of their own. */
export interface Learned {
  readonly name: string;
  readonly weight: HostTensor;
  readonly bias: HostTensor;
}

/** No padding. */
export const unpadded: Padding = { top: 0, left: 0, bottom: 0, right: 0 };

/** Layers whose outputs are not negative where their inputs are not. */
const keepsSign = ['maxPool', 'averagePool', 'localResponseNorm', 'dropout'];

/** The layers found so far, on the way from the images to the output. */
export class Chain {
  readonly graph: Graph;
  readonly layers: Layer[] = [];
  readonly learned: Learned[] = [];
  images: ImageSteps;
  /** What the first layer reads. */
  input: Shape | undefined;
  /** The name of the value that was reached. */
  value: string;
  /** Its shape in the model. */
  shape: readonly number[];
  /** The output's shape of the last layer: a layer does not care whether `[N, C, H, W]` was flattened. */
  own: Shape;
  /** Zeros around the maps that no layer has taken yet. */
  padding = unpadded;
  /** Into how many groups the maps are divided, as if they were images. */
  groups = 1;
  /** Whether the softmax was found. */
  softmax = false;

  constructor(graph: Graph, value: string, shape: readonly number[]) {
    this.graph = graph;
    this.value = value;
    this.shape = shape;
    this.own = shape;
    this.images = new ImageSteps(shape);
    graph.noteShape(value, shape);
  }

  /** Goes on to a node's output. */
  pass(node: Node, shape: readonly number[] = this.shape): void {
    this.value = node.output;
    this.shape = shape;
    this.graph.noteShape(node.output, shape);
  }

  /** Takes images `[N, H, W, C]` as `[N, C, H, W]`. */
  turn(node: Node): void {
    const [images = 1, height = 0, width = 0, channels = 0] = this.shape;
    this.own = [images, channels, height, width];
    this.images = new ImageSteps(this.own);
    this.pass(node, this.own);
  }

  /**
   * Adds a layer, and goes on to the node's output.
   *
   * @param word the beginning of its name; the number of the last layer that learns follows
   * @param make makes the layer; an option that it does not take is refused with the node's name
   */
  add(node: Node, word: string, make: (name: string) => Layer): Layer {
    return node.attempt(() => {
      const layer = make(this.#nameFor(word, Math.max(1, this.learned.length)));
      this.#push(layer, node);
      return layer;
    });
  }

  /** Adds a layer that learns, and goes on to the node's output. */
  addLearned(node: Node, word: string, make: (name: string) => Layer, weight: HostTensor, bias: HostTensor): void {
    node.attempt(() => {
      const layer = make(this.#nameFor(word, this.learned.length + 1));
      const expected = layer.parameters(this.own).find(({ name }) => name === 'weight')!.shape;
      if (expected.join() !== weight.shape.join()) {
        node.refuse(
          `its weight has the shape [${weight.shape.join(', ')}]; for an input of [${this.shape.join(', ')}] it must be [${expected.join(', ')}]`,
        );
      }
      this.learned.push({ name: layer.name, weight, bias });
      this.#push(layer, node);
    });
  }

  /** The layer that learns whose output was reached, if nothing came after it. */
  get open(): Learned | undefined {
    const last = this.learned.at(-1);
    return last && this.layers.at(-1)?.name === last.name ? last : undefined;
  }

  /** Whether no value here can be negative. */
  get isNotNegative(): boolean {
    const last = this.layers.findLast(({ kind }) => !keepsSign.includes(kind));
    return ['relu', 'logistic', 'absTanh'].includes(last?.kind ?? '');
  }

  /** Height and width of maps, of which a layer needs some. */
  maps(node: Node): [channels: number, height: number, width: number] {
    const [, channels = 0, height = 0, width = 0] = this.own;
    if (this.own.length === 4 && this.shape.length === 4) return [channels, height, width];
    return node.refuse(`it needs maps [N, C, H, W], and gets [${this.shape.join(', ')}]`);
  }

  /** The constant that a node reads in addition to the images. */
  constant(node: Node, index: number, what: string): ConstantValue {
    const found = this.graph.constant(node.inputs[index]);
    return (
      found ?? node.refuse(`its ${what} is computed from the images, or missing; it must be a constant of the model`)
    );
  }

  /** Takes the padding that was found before a layer. */
  takePadding(): Padding {
    const { padding } = this;
    this.padding = unpadded;
    return padding;
  }

  #push(layer: Layer, node: Node): void {
    this.input ??= this.own;
    this.own = layer.outputShape(this.own);
    this.layers.push(layer);
    this.pass(node, this.own);
  }

  #nameFor(word: string, number: number): string {
    const name = `${word}${number}`;
    const taken = (candidate: string) => this.layers.some((layer) => layer.name === candidate);
    if (!taken(name)) return name;
    let more = 2;
    while (taken(`${name}-${more}`)) more++;
    return `${name}-${more}`;
  }
}

/** Handles a node, and moves the chain on to what comes after it. */
export type Handler = (chain: Chain, node: Node) => void;

/** A constant as floats. */
export function floatsOf({ data }: ConstantValue): Float32Array {
  return data instanceof Float32Array ? data : Float32Array.from(data);
}
