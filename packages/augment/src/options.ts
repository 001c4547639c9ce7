import { ConfigError, type Tensor } from '@alex/tensor';
import {
  checkBoolean,
  checkFinite,
  checkNotNegative,
  checkOneOf,
  checkOptions,
  checkPositive,
  checkWholeNumber,
  formatShape,
  imageShape,
  optionError,
} from '@alex/tensor/kernels';
import { centreOffset, type View } from './views.js';

/**
 * Colour shifts along the principal components of all training pixels (section 4.1 of the paper):
 * `[p1 p2 p3] [a1 s1, a2 s2, a3 s3]^T` is added to every pixel of an image, with `a` sampled from N(0, strength) for
 * each use.
 */
export interface ColourVariation {
  /** `s`: standard deviations along the components (square roots of the eigenvalues), in pixel values. */
  readonly standardDeviations: readonly number[];
  /** `p`: one component per row, `[red, green, blue]`, of length 1. */
  readonly axes: readonly (readonly number[])[];
  /** Standard deviation of the three normal samples. Default: 0.1, as in the paper. */
  readonly strength?: number;
}

/**
 * The colour statistics of ImageNet's training images, as published by the paper's authors with cuda-convnet2
 * (make-data, input_meta). Prepared data have their own.
 */
export const imagenetColour: ColourVariation = {
  standardDeviations: [121.7801, 37.0939, 19.7208],
  axes: [
    [-0.56351045, -0.5761844, -0.59200296],
    [-0.71257945, -0.02354167, 0.70119634],
    [0.41795513, -0.81698062, 0.39731118],
  ],
};

/**
 * What varies in training. In evaluation, crops are centred, not flipped and not shifted in colour, or as `view`
 * specifies.
 */
export interface TrainingVariation {
  /** Where crops are taken: anywhere with equal probability, or in the centre. */
  readonly crop: 'random' | 'centre';
  /** Whether half of the crops are flipped left to right. */
  readonly mirror: boolean;
  /**
   * How many neighbours in a batch share crop and flip, those of their first image: 32 in the 2012 code, whose
   * colour shifts were each image's own as well. Default 1: every image has its own, whatever batch it comes in.
   */
  readonly chunk?: number;
  /** Only for images with three channels. Default: none. */
  readonly colour?: ColourVariation;
}

/** Options of `createAugmenter`. */
export interface AugmenterOptions {
  /** The output of the crops: shape `[N, C, height of a crop, width of a crop]`, stored as `[C, H, W, N]`, float32. */
  readonly output: Tensor;
  /** Sizes of the stored images, in pixels; 1 to 4 channels. */
  readonly source: { readonly height: number; readonly width: number; readonly channels: number };
  readonly training: TrainingVariation;
  /**
   * The mean to subtract, in pixel values 0 to 255: one value per channel, or a whole image `[C, H, W]` of the source's
   * size, row-major.
   */
  readonly mean: ArrayLike<number>;
  /**
   * Which part of a mean image is subtracted: the part at the position of the crop (`'crop'`, as if the image were
   * centred and then cropped), or its centre, the same for every crop (`'centre'`, as in the 2012 code). Default:
   * `'crop'`.
   */
  readonly meanAt?: 'crop' | 'centre';
  /** Divisor of the differences from the mean. Default: 1, pixel values as in the paper. */
  readonly scale?: number;
  /**
   * Width of a border around every image, in pixels, into which crops may extend. It is 0 in the output, which is the
   * mean. Default: 0. (4 gives the usual 32 x 32 crops of CIFAR-10; cuda-convnet's 24 x 24 crops need none.)
   */
  readonly padding?: number;
}

/** Options after the check, with all defaults filled in. */
export interface Plan {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly cropHeight: number;
  readonly cropWidth: number;
  readonly padding: number;
  readonly scale: number;
  readonly mean: Float32Array;
  readonly meanAt: 'channel' | 'crop' | 'centre';
  readonly randomCrop: boolean;
  readonly mirror: boolean;
  readonly chunk: number;
  readonly colour: Required<ColourVariation> | undefined;
  readonly centre: View;
}

/** The kernel gets a crop's offset in 15 bits. */
const largestSide = 32767;

/**
 * Checks the options and fills in defaults. Throws a `ConfigError` (for the output's shape, a `ShapeError`) that names
 * the option.
 */
export function planAugmentation(options: AugmenterOptions): Plan {
  checkOptions('augmenter', options, ['output', 'source', 'training', 'mean', 'meanAt', 'scale', 'padding']);
  const { output, source, training } = options;
  checkOptions('augmenter: training', training, ['crop', 'mirror', 'chunk', 'colour']);
  if (!output?.shape) throw optionError('augmenter', 'output', 'a tensor, such as network.input', output);
  if (!source) throw optionError('augmenter', 'source', 'the sizes { height, width, channels } of the images', source);
  const { height, width, channels } = source;
  const [batch, outputChannels, cropHeight, cropWidth] = imageShape('augmenter output', output.shape);
  checkWholeNumber('augmenter', 'source.height', height, 1, largestSide);
  checkWholeNumber('augmenter', 'source.width', width, 1, largestSide);
  checkWholeNumber('augmenter', 'source.channels', channels, 1, 4);
  const padding = options.padding ?? 0;
  checkWholeNumber('augmenter', 'padding', padding, 0, Math.floor((largestSide - Math.max(height, width)) / 2));
  if (output.dataType !== 'f32') {
    throw new ConfigError(`augmenter: output must hold f32, got ${output.dataType}`);
  }
  if (!output.buffer) {
    throw new ConfigError(`augmenter: output ${output.label} has no memory of its own; make it with createTensor`);
  }
  if (outputChannels !== channels) {
    throw new ConfigError(
      `augmenter: output ${formatShape(output.shape)} has ${outputChannels} channels, the images have ${channels}; ` +
        'they must agree',
    );
  }
  if (cropHeight > height + 2 * padding || cropWidth > width + 2 * padding) {
    throw new ConfigError(
      `augmenter: crops of ${cropHeight} x ${cropWidth} do not fit images of ${height} x ${width} with padding ` +
        `${padding}; use a smaller network input, larger images or more padding`,
    );
  }
  checkOneOf('augmenter', 'training.crop', training.crop, ['random', 'centre']);
  checkBoolean('augmenter', 'training.mirror', training.mirror);
  const chunk = training.chunk ?? 1;
  checkWholeNumber('augmenter', 'training.chunk', chunk, 1, 2 ** 32 - 1);
  const scale = options.scale ?? 1;
  checkPositive('augmenter', 'scale', scale);
  // The kernel multiplies by the inverse.
  checkPositive('augmenter', '1 / scale', 1 / scale);
  // The kernel counts bytes in 32 bits.
  const bytes = batch * height * width * channels;
  if (bytes > 2 ** 32) {
    throw new ConfigError(
      `augmenter: a batch of ${batch} images has ${bytes} bytes, more than 2^32; use a smaller batch`,
    );
  }
  return {
    batch,
    height,
    width,
    channels,
    cropHeight,
    cropWidth,
    padding,
    scale,
    ...planMean(options, cropHeight, cropWidth),
    randomCrop: training.crop === 'random',
    mirror: training.mirror,
    chunk,
    colour: training.colour && planColour(training.colour, channels),
    centre: { top: centreOffset(height, cropHeight), left: centreOffset(width, cropWidth), mirrored: false },
  };
}

function planMean(options: AugmenterOptions, cropHeight: number, cropWidth: number): Pick<Plan, 'mean' | 'meanAt'> {
  const { height, width, channels } = options.source;
  if (typeof options.mean?.length !== 'number') {
    throw optionError('augmenter', 'mean', 'an array of numbers', options.mean);
  }
  const mean = Float32Array.from(options.mean);
  for (const [index, value] of mean.entries()) checkFinite('augmenter', `mean[${index}]`, value);
  const meanAt = options.meanAt ?? 'crop';
  checkOneOf('augmenter', 'meanAt', meanAt, ['crop', 'centre']);
  if (mean.length === channels) return { mean, meanAt: 'channel' };
  if (mean.length !== channels * height * width) {
    throw new ConfigError(
      `augmenter: mean needs ${channels} values (one per channel) or ${channels * height * width} ` +
        `(an image ${formatShape([channels, height, width])}), got ${mean.length}`,
    );
  }
  if (meanAt === 'centre' && (cropHeight > height || cropWidth > width)) {
    throw new ConfigError(
      `augmenter: meanAt 'centre' needs crops no larger than the mean image of ${height} x ${width}, ` +
        `got ${cropHeight} x ${cropWidth}; use meanAt 'crop'`,
    );
  }
  return { mean, meanAt };
}

function planColour(colour: ColourVariation, channels: number): Required<ColourVariation> {
  if (channels !== 3) {
    throw new ConfigError(`augmenter: training.colour needs images of 3 channels, got ${channels}; omit the option`);
  }
  // Unknown fields are no mistake here: the statistics of a data set have more of them.
  const { standardDeviations, axes } = colour;
  const strength = colour.strength ?? 0.1;
  if (standardDeviations?.length !== 3 || !standardDeviations.every((value) => Number.isFinite(value) && value >= 0)) {
    throw new ConfigError(
      `augmenter: training.colour.standardDeviations must be 3 numbers of at least 0, got ${listed(standardDeviations)}`,
    );
  }
  if (axes?.length !== 3 || !axes.every((axis) => axis?.length === 3 && Math.abs(Math.hypot(...axis) - 1) < 1e-3)) {
    throw new ConfigError(
      'augmenter: training.colour.axes must be 3 rows of 3 numbers, each of length 1 (one principal component per row), ' +
        `got ${listed(axes)}`,
    );
  }
  checkNotNegative('augmenter', 'training.colour.strength', strength);
  return { standardDeviations, axes, strength };
}

const listed = (value: unknown): string => (Array.isArray(value) ? `[${value.map(listed).join(', ')}]` : String(value));
