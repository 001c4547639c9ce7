import { ConfigError, type DescribedLayer, type NetworkDescription } from '@alex/tensor';
import type { CaffeLayer } from '@alex/trainer';

/** What a layer is in Caffe: its type, and the fields of its parameters. */
interface CaffeEquivalent {
  readonly type: string;
  readonly parameters: string;
}

type Options = Readonly<Record<string, unknown>>;
type Sizes = readonly [number, number];

const sideOf = (sizes: unknown) => (sizes as Sizes)[0];
const paddingOf = (padding: unknown) => (padding as { readonly top: number }).top;

/** By the kind of layer, for the layers of Caffe's own two networks: square windows, equal padding, rounding up. */
const equivalents: Readonly<Record<string, (options: Options) => CaffeEquivalent>> = {
  conv2d: ({ filters, kernel, stride, padding, groups }) => ({
    type: 'Convolution',
    parameters: `convolution_param { num_output: ${filters} kernel_size: ${sideOf(kernel)} stride: ${sideOf(stride)} pad: ${paddingOf(padding)} group: ${groups} }`,
  }),
  dense: ({ units }) => ({ type: 'InnerProduct', parameters: `inner_product_param { num_output: ${units} }` }),
  relu: () => ({ type: 'ReLU', parameters: '' }),
  localResponseNorm: ({ size, alpha, beta, k }) => ({
    type: 'LRN',
    parameters: `lrn_param { local_size: ${size} alpha: ${alpha} beta: ${beta} k: ${k} }`,
  }),
  maxPool: ({ size, stride }) => ({
    type: 'Pooling',
    parameters: `pooling_param { pool: MAX kernel_size: ${sideOf(size)} stride: ${sideOf(stride)} }`,
  }),
  dropout: ({ probability }) => ({ type: 'Dropout', parameters: `dropout_param { dropout_ratio: ${probability} }` }),
};

/** The layers of a network, as a caffemodel lists them. */
export function caffeLayers({ layers }: NetworkDescription): CaffeLayer[] {
  return layers.map(({ layer }) => ({ name: layer.name, type: equivalentOf(layer).type }));
}

/** The network in Caffe's own words, for its use: `deploy.prototxt`. */
export function prototxtOf({ name, input, layers }: NetworkDescription): string {
  const dims = [1, ...input].map((size) => `dim: ${size}`).join(' ');
  const lines = [`name: "${name}"`, layerOf('data', 'Input', [], `input_param { shape: { ${dims} } }`)];
  let below = 'data';
  for (const { layer } of layers) {
    const { type, parameters } = equivalentOf(layer);
    lines.push(layerOf(layer.name, type, [below], parameters));
    below = layer.name;
  }
  lines.push(layerOf('prob', 'Softmax', [below], ''));
  return `${lines.join('\n')}\n`;
}

function layerOf(name: string, type: string, bottoms: readonly string[], parameters: string): string {
  const bottom = bottoms.map((below) => ` bottom: "${below}"`).join('');
  return `layer { name: "${name}" type: "${type}"${bottom} top: "${name}"${parameters && ` ${parameters}`} }`;
}

function equivalentOf({ name, kind, options = {} }: DescribedLayer['layer']): CaffeEquivalent {
  const equivalent = equivalents[kind];
  if (equivalent) return equivalent(options);
  throw new ConfigError(`${name}: a layer of the kind ${kind} is in none of Caffe's own networks; give --format onnx`);
}
