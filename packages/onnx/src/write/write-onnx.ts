import { ConfigError, type HostTensor, type NetworkDescription, ShapeError } from '@alex/tensor';
import { checkBoolean, checkHostTensor, checkOptions, formatShape } from '@alex/tensor/kernels';
import type { Preprocessing } from '../preprocessing.js';
import { encode } from '../protobuf/codec.js';
import { modelProto } from '../protobuf/messages.js';
import { GraphWriter } from './graph-writer.js';
import { flat, writeLayer } from './layers.js';
import { writePreprocessing } from './preprocessing.js';

export interface WriteOnnxOptions {
  /** Whether the output is the probability of each class, instead of the value before the softmax. Default: true. */
  readonly softmax?: boolean;
  /**
   * Nodes that prepare images, before those of the network. Default: none; the input is what the network itself takes.
   */
  readonly preprocessing?: Preprocessing;
  /** Texts for the model's `metadata_props`, by name. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** IR version 8 came with ONNX 1.10, opset 17 with 1.12, both of 2021 and 2022; nothing here needs a later one. */
const versions = { ir: 8, opset: 17 } as const;

/**
 * Writes a network as an ONNX model, as it computes outside training: without dropout, except for the factor of dropout that is not
 * `inverted`. Input `images` `[N, C, H, W]` (or `pixels` with `preprocessing`), output `probabilities` `[N, classes]`
 * (or `scores` without `softmax`); N is left open.
 *
 * @param parameters by dotted name, as `network.parameters()` gives them
 * @returns the bytes of an `.onnx` file, IR version 8, opset 17
 * @throws ConfigError for an unknown option, a missing parameter, or a layer that has no equal in ONNX; ShapeError for a
 * parameter of another shape
 */
export function writeOnnx(
  description: NetworkDescription,
  parameters: Readonly<Record<string, HostTensor>>,
  options: WriteOnnxOptions = {},
): Uint8Array {
  checkOptions('writeOnnx', options, ['softmax', 'preprocessing', 'metadata']);
  const { softmax = true, preprocessing, metadata = {} } = options;
  checkBoolean('writeOnnx', 'softmax', softmax);
  const graph = new GraphWriter();
  let value = preprocessing
    ? writePreprocessing(graph, preprocessing, description.input)
    : graph.input('images', [1, ...description.input]);
  for (const described of description.layers) {
    value = writeLayer({ graph, described, input: value, parameters: ownParameters(described, parameters) });
  }
  const shape = [1, description.output.reduce((product, size) => product * size, 1)];
  value = flat(graph, 'output', value, [1, ...description.output]);
  if (softmax) graph.add('Softmax', 'probabilities', { inputs: [value], attributes: { axis: 1 }, shape });
  else graph.add('Identity', 'scores', { inputs: [value], shape });
  return encode(modelProto, {
    irVersion: versions.ir,
    operatorSets: [{ domain: '', version: versions.opset }],
    producer: 'Alex',
    graph: graph.finish(description.name),
    metadata: Object.entries(metadata).map(([key, text]) => ({ key, value: text })),
  });
}

/** The parameters of a layer by their own names. */
function ownParameters(
  { parameters: described }: NetworkDescription['layers'][number],
  parameters: Readonly<Record<string, HostTensor>>,
): Record<string, HostTensor> {
  return Object.fromEntries(
    described.map(({ name, path, shape }) => {
      const tensor = parameters[path];
      if (!tensor) throw new ConfigError(`writeOnnx: ${path} is missing; give every parameter of the network`);
      checkHostTensor(`writeOnnx: ${path}`, tensor);
      if (formatShape(tensor.shape) !== formatShape(shape)) {
        throw new ShapeError(
          `writeOnnx: ${path} must have the shape ${formatShape(shape)}, got ${formatShape(tensor.shape)}`,
        );
      }
      return [name, tensor];
    }),
  );
}
