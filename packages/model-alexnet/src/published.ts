import { CheckpointError, type HostTensor, type NetworkDescription } from '@alex/tensor';
import { elementCount, formatShape } from '@alex/tensor/kernels';

/** Weights that others published, and how their networks want images. */
export interface PublishedForm {
  /** The variant that they are for. */
  readonly variant: 'torchvision' | 'caffe' | 'caffenet';
  /** What their files call each layer. */
  readonly layers: Readonly<Record<string, string>>;
  /** Subtracted from pixel values 0 to 255: red, green, blue. */
  readonly mean: readonly [number, number, number];
  /** What their images are divided by then. */
  readonly deviations: readonly [number, number, number];
  /** The order of the channels that their first layer sees. */
  readonly channels: 'rgb' | 'bgr';
}

const convolutions = ['conv1', 'conv2', 'conv3', 'conv4', 'conv5'];

/** What Caffe's two networks have in common: names, channels, and the mean of `ilsvrc_2012_mean.npy`, a channel. */
const ofCaffe = {
  layers: Object.fromEntries([...convolutions, 'fc6', 'fc7', 'fc8'].map((name) => [name, name])),
  mean: [122.67891434, 116.66876762, 104.00698793],
  deviations: [1, 1, 1],
  channels: 'bgr',
} as const;

/** The forms that are read. */
export const publishedForms = {
  /** The modules of `torchvision.models.alexnet`; its weights expect `Normalize` with these, times 255. */
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
  /** `bvlc_reference_caffenet.caffemodel`: tensors of the same names and shapes, but pooling comes before normalization. */
  caffenet: { ...ofCaffe, variant: 'caffenet' },
} as const satisfies Record<string, PublishedForm>;

/**
 * Turns published weights into those of the network here, for images whose mean is subtracted and that are not divided
 * by `scale`: what the published network divides by, and the order of its channels, go into the first layer's weights.
 * Tensors are taken over as they are, but for the first.
 *
 * @param file named in errors
 * @param scale what differences from the mean are divided by. Default: 1, pixel values
 * @throws CheckpointError that names, as the file does, a tensor which is missing, unknown or of another shape
 */
export function fromPublished(
  file: string,
  tensors: Readonly<Record<string, HostTensor>>,
  form: PublishedForm,
  description: NetworkDescription,
  scale = 1,
): Record<string, HostTensor> {
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
    throw new CheckpointError(`${file}: holds ${name}, which ${form.variant} has no place for`);
  const first = learned[0]!.path;
  parameters[first] = forOwnImages(parameters[first]!, form, scale);
  return parameters;
}

/** Caffe wrote four sizes until 2014: `[1, 1, 4096, 9216]`. */
function sameShape(given: readonly number[], own: readonly number[]): boolean {
  const extra = given.length - own.length;
  return (
    extra >= 0 &&
    elementCount(given) === elementCount(own) &&
    given.slice(0, extra).every((size) => size === 1) &&
    own.every((size, axis) => size === given[extra + axis])
  );
}

/** Filters for red, green and blue pixel values, less their mean and divided by `scale`. */
function forOwnImages({ shape, data }: HostTensor, { channels, deviations }: PublishedForm, scale: number): HostTensor {
  const [filters = 0, count = 0, height = 0, width = 0] = shape;
  const taps = height * width;
  const converted = new Float32Array(data.length);
  for (let filter = 0; filter < filters; filter++) {
    for (let channel = 0; channel < count; channel++) {
      const from = (filter * count + (channels === 'bgr' ? count - 1 - channel : channel)) * taps;
      const to = (filter * count + channel) * taps;
      for (let tap = 0; tap < taps; tap++)
        converted[to + tap] = data[from + tap]! * (scale / (deviations[channel] ?? 1));
    }
  }
  return { shape, data: converted };
}
