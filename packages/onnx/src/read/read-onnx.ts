import { CheckpointError, describeNetwork, type HostTensor, type Layer, type NetworkDescription } from '@alex/tensor';
import { checkOptions, elementCount } from '@alex/tensor/kernels';
import type { Preprocessing } from '../preprocessing.js';
import { decode } from '../protobuf/codec.js';
import { type ModelProto, modelProto } from '../protobuf/messages.js';
import { Chain, type Learned, unpadded } from './chain.js';
import { type ReadExternal, withExternalData } from './external-data.js';
import { Graph } from './graph.js';
import type { FirstFilters } from './image-steps.js';
import { normWithinMap } from './operators/norms.js';
import { handlers, remedies } from './operators.js';

export interface ReadOnnxOptions {
  /** Reads a file in which the model keeps weights, by its name relative to the model. Default: such models are refused. */
  readonly externalData?: ReadExternal;
}

/** A network that was read from an ONNX model. */
export interface OnnxNetwork {
  /** Layers are called after what they are and where they come: `conv1`, `relu1`, `norm1`, `pool1`, ..., `fc8`. */
  readonly description: NetworkDescription;
  /** By dotted name: `conv1.weight`, `conv1.bias`. */
  readonly parameters: Record<string, HostTensor>;
  /** How images become the network's input, if the model contains it; the network itself is without it. */
  readonly preprocessing?: Preprocessing;
  /** Whether the model ends with a softmax; the network itself does not. */
  readonly softmax: boolean;
  /** The model's `metadata_props`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** What wrote the model: `pytorch 2.4`; may be empty. */
  readonly producer: string;
}

/** The oldest set of operators that broadcasts operands as today. */
const oldestOpset = 7;

/**
 * Reads a network from an ONNX model: a chain of layers from one image to one output, whatever wrote it. Layers are
 * recognized by what the nodes compute, not by their names.
 *
 * @param bytes the contents of an `.onnx` file
 * @throws CheckpointError if it is truncated or no ONNX model, or names the node that is not understood, its operator or attribute,
 * and what to do
 */
export async function readOnnx(bytes: Uint8Array, options: ReadOnnxOptions = {}): Promise<OnnxNetwork> {
  checkOptions('readOnnx', options, ['externalData']);
  const model = decode(modelProto, bytes);
  if (!model.graph || model.graph.nodes.length === 0) {
    throw new CheckpointError('not a usable ONNX model: it contains no graph; it is truncated, or something else');
  }
  const graph = new Graph(await withExternalData(model.graph, options.externalData), opsetOf(model));
  const chain = walked(graph);
  const { preprocessing, filters } = chain.images.finish();
  const description = describeNetwork({
    name: model.graph.name || 'network',
    input: chain.input!.slice(1),
    layers: chain.layers,
  });
  adaptFilters(chain, filters);
  const { producer = '', producerVersion = '' } = model;
  return {
    description,
    parameters: parametersOf(chain),
    ...(preprocessing && { preprocessing }),
    softmax: chain.softmax,
    metadata: Object.fromEntries(model.metadata.map(({ key = '', value = '' }) => [key, value])),
    producer: `${producer} ${producerVersion}`.trim(),
  };
}

function opsetOf({ operatorSets }: ModelProto): number {
  const opset = operatorSets.find(({ domain = '' }) => domain === '' || domain === 'ai.onnx')?.version ?? 0;
  if (opset >= oldestOpset) return opset;
  throw new CheckpointError(
    `the model uses the operators of opset ${opset}; convert it to opset ${oldestOpset} or later with onnx.version_converter.convert_version`,
  );
}

/** Follows the images from layer to layer to the output. */
function walked(graph: Graph): Chain {
  const chain = new Chain(graph, graph.input.name ?? '', imagesOf(graph));
  while (chain.value !== graph.output) {
    const readers = graph.readersOf(chain.value);
    if (normWithinMap(chain, readers)) continue;
    const [node, other] = readers;
    if (!node) throw new CheckpointError(`nothing leads from '${chain.value}' to the output '${graph.output}'`);
    if (other)
      node.refuse(`reads what ${other.operator} reads as well; only layers one after the other are understood`);
    const handler = Object.hasOwn(handlers, node.operator) ? handlers[node.operator] : undefined;
    if (!handler)
      node.refuse(remedies[node.operator] ?? 'this operator is not understood; export the model without it');
    if (chain.softmax && !['Identity', 'Reshape', 'Flatten', 'Squeeze'].includes(node.operator)) {
      node.refuse('follows the softmax, which must come last');
    }
    if (chain.padding !== unpadded && !['Conv', 'MaxPool', 'AveragePool', 'Pad'].includes(node.operator)) {
      node.refuse('follows a Pad; only convolutions and pooling take padding');
    }
    if (chain.groups > 1 && !['LRN', 'Reshape'].includes(node.operator)) {
      node.refuse('reads groups of maps as if they were images; only LRN does so');
    }
    handler!(chain, node);
  }
  if (chain.learned.length === 0) throw new CheckpointError('the model has no layer with weights');
  return chain;
}

/** The shape of the input, `[N, C, H, W]`, with one image if their number is open. */
function imagesOf({ input }: Graph): number[] {
  const dims = input.type?.tensor?.shape?.dims.map(({ value }) => value) ?? [];
  const [images, ...sizes] = dims;
  if (dims.length !== 4 || sizes.some((size) => size === undefined || size < 1)) {
    const shown = dims.map((size) => size ?? '?').join(', ');
    throw new CheckpointError(
      `the input '${input.name}' has the shape [${shown}]; it must be images [N, C, H, W] of a size that is known: export the model with a fixed one`,
    );
  }
  return [images || 1, ...(sizes as number[])];
}

/** Multiplies the first filters, and puts their channels in order, so that they take what the preprocessing gives. */
function adaptFilters({ layers, learned, input }: Chain, { order, factors }: FirstFilters): void {
  if (order.every((channel, i) => channel === i && factors[i] === 1)) return;
  const [{ name, weight }] = learned as [Learned];
  const [, channels = 0, ...maps] = input!;
  const [first] = layers as [Layer];
  const axis = first.kind === 'local2d' ? 2 : 1;
  const isSparse = first.kind === 'conv2d' && weight.shape[1] !== channels;
  if (first.name !== name || isSparse) {
    throw new CheckpointError(
      `${first.name}: the images' channels are divided by different numbers or put in another order, which the first layer must take up; it must be a convolution of all channels`,
    );
  }
  const taps = first.kind === 'dense' ? elementCount(maps) : elementCount(weight.shape.slice(axis + 1));
  const before = weight.data.slice();
  for (let block = 0; block < before.length; block += channels * taps) {
    for (let channel = 0; channel < channels; channel++) {
      const [from, to] = [block + channel * taps, block + order[channel]! * taps];
      for (let tap = 0; tap < taps; tap++) weight.data[to + tap] = before[from + tap]! * factors[channel]!;
    }
  }
}

function parametersOf({ learned }: Chain): Record<string, HostTensor> {
  return Object.fromEntries(
    learned.flatMap(({ name, weight, bias }) => [
      [`${name}.weight`, weight],
      [`${name}.bias`, bias],
    ]),
  );
}
