import { CheckpointError, type HostTensor, type NetworkDescription } from '@alex/tensor';
import { checkPositive, elementCount, formatShape, optionError } from '@alex/tensor/kernels';
import { checkDescribed } from '@alex/tensor/network';

/** Published weights, and the images that their networks expect. */
export interface PublishedForm {
  /** The variant that they belong to. */
  readonly variant: 'torchvision' | 'caffe' | 'caffenet';
  /** The name of each layer in the files. */
  readonly layers: Readonly<Record<string, string>>;
  /** Subtracted from pixel values 0 to 255: red, green, blue. */
  readonly mean: readonly [number, number, number];
  /** The images are then divided by this. */
  readonly deviations: readonly [number, number, number];
  /** The channel order of their first layer. */
  readonly channels: 'rgb' | 'bgr';
}

const convolutions = ['conv1', 'conv2', 'conv3', 'conv4', 'conv5'];

/** What Caffe's two networks have in common: names, channels, and the mean of `ilsvrc_2012_mean.npy` per channel. */
const ofCaffe = {
  layers: Object.fromEntries([...convolutions, 'fc6', 'fc7', 'fc8'].map((name) => [name, name])),
  mean: [122.67891434, 116.66876762, 104.00698793],
  deviations: [1, 1, 1],
  channels: 'bgr',
} as const;

/** The supported formats. */
export const publishedForms = {
  /** The modules of `torchvision.models.alexnet`; its weights expect `Normalize` with these values, times 255. */
  torchvision: {
    variant: 'torchvision',
    layers: {
      ...Object.fromEntries([0, 3, 6, 8, 10].map((module, i) => [convolutions[i]!, `features.${module}`])),
      fc6: 'classifier.1',
      fc7: 'classifier.4',
      fc8: 'classifier.6',
    },
    mean: [123.675, 116.28, 103.53],
    deviations: [58.395, 57.12, 57.375],
    channels: 'rgb',
  },
  /** `bvlc_alexnet.caffemodel`. */
  caffe: { ...ofCaffe, variant: 'caffe' },
  /**
   * `bvlc_reference_caffenet.caffemodel`: tensors with the same names and shapes, but pooling comes before
   * normalization.
   */
  caffenet: { ...ofCaffe, variant: 'caffenet' },
} as const satisfies Record<string, PublishedForm>;

/**
 * Converts published weights to those of our network, for images that have the mean subtracted and are divided only by
 * `scale`. The published network's divisor and channel order are folded into the first layer's weights; all other
 * tensors are unchanged.
 *
 * @param file named in errors
 * @param scale divisor of the differences from the mean. Default: 1, pixel values
 * @throws CheckpointError that names a missing, unknown or misshapen tensor as the file does; ConfigError for what is no form, no
 * description or no scale
 */
export function fromPublished(
  file: string,
  tensors: Readonly<Record<string, HostTensor>>,
  form: PublishedForm,
  description: NetworkDescription,
  scale = 1,
): Record<string, HostTensor> {
  checkTensors(file, tensors);
  checkForm(file, form);
  checkDescribed(description);
  checkPositive(file, 'scale', scale);
  const unknown = new Set(Object.keys(tensors));
  const parameters: Record<string, HostTensor> = {};
  const learned = description.layers.flatMap(({ layer, parameters: own }) =>
    own.map((parameter) => ({ ...parameter, published: `${form.layers[layer.name] ?? layer.name}.${parameter.name}` })),
  );
  for (const { path, shape, published } of learned) {
    const tensor = tensors[published];
    if (!tensor) {
      throw new CheckpointError(`${file}: ${published} is missing; ${form.variant} needs it as its ${path}`);
    }
    unknown.delete(published);
    if (!sameShape(tensor.shape, shape)) {
      throw new CheckpointError(
        `${file}: ${published} must have the shape ${formatShape(shape)} to be ${path} of ${form.variant}, got ` +
          formatShape(tensor.shape),
      );
    }
    parameters[path] = { shape: [...shape], data: tensor.data };
  }
  for (const name of unknown)
    throw new CheckpointError(`${file}: contains ${name}, which ${form.variant} does not have`);
  const first = learned[0]!.path;
  parameters[first] = forChannels(parameters[first]!, form, (channel) => scale / (form.deviations[channel] ?? 1));
  return parameters;
}

/**
 * Converts our network's weights to those of a published one: the opposite of {@link fromPublished}.
 *
 * @param weights by dotted name
 * @param scale what our network's images are divided by. Default: 1, pixel values
 * @throws CheckpointError that names a missing or misshapen weight
 */
export function forPublished(
  weights: Readonly<Record<string, HostTensor>>,
  form: PublishedForm,
  description: NetworkDescription,
  scale = 1,
): Record<string, HostTensor> {
  const learned = description.layers.flatMap(({ layer, parameters }) =>
    parameters.map((parameter) => ({ ...parameter, published: `${form.layers[layer.name]}.${parameter.name}` })),
  );
  const tensors: Record<string, HostTensor> = {};
  for (const { path, shape, published } of learned) {
    const tensor = weights[path];
    if (!tensor || !sameShape(tensor.shape, shape)) {
      throw new CheckpointError(
        `${path}: must be there with the shape ${formatShape(shape)}, got ${tensor ? formatShape(tensor.shape) : 'nothing'}`,
      );
    }
    tensors[published] = tensor;
  }
  const first = learned[0]!.published;
  tensors[first] = forChannels(tensors[first]!, form, (channel) => (form.deviations[channel] ?? 1) / scale);
  return tensors;
}

/** @throws ConfigError unless it is one of {@link publishedForms}, or of the same form */
export function checkForm(file: string, form: PublishedForm): void {
  if (typeof form?.layers === 'object') return;
  throw optionError(file, 'form', `one of publishedForms: ${Object.keys(publishedForms).join(', ')}`, form);
}

/** @throws ConfigError unless there are tensors by name */
export function checkTensors(file: string, tensors: Readonly<Record<string, HostTensor>>): void {
  if (typeof tensors === 'object' && tensors !== null) return;
  throw optionError(file, 'tensors', 'an object of tensors, such as the result of readSafetensors()', tensors);
}

/** Until 2014, Caffe wrote shapes of four sizes: `[1, 1, 4096, 9216]`. */
function sameShape(given: readonly number[], own: readonly number[]): boolean {
  const extra = given.length - own.length;
  return (
    extra >= 0 &&
    elementCount(given) === elementCount(own) &&
    given.slice(0, extra).every((size) => size === 1) &&
    own.every((size, axis) => size === given[extra + axis])
  );
}

/** Filters in the other order of channels, if the published network has another, and multiplied by a factor for each. */
function forChannels(
  { shape, data }: HostTensor,
  { channels }: PublishedForm,
  factorOf: (channel: number) => number,
): HostTensor {
  const [filters = 0, count = 0, height = 0, width = 0] = shape;
  const taps = height * width;
  const converted = new Float32Array(data.length);
  for (let filter = 0; filter < filters; filter++) {
    for (let channel = 0; channel < count; channel++) {
      const from = (filter * count + (channels === 'bgr' ? count - 1 - channel : channel)) * taps;
      const to = (filter * count + channel) * taps;
      for (let tap = 0; tap < taps; tap++) converted[to + tap] = data[from + tap]! * factorOf(channel);
    }
  }
  return { shape, data: converted };
}
