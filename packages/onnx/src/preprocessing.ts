import { ConfigError, type HostTensor, ShapeError } from '@alex/tensor';
import { checkOptions, checkPositive, checkWholeNumber, formatShape } from '@alex/tensor/kernels';

/**
 * How images become the input of a network: `(pixel - mean) / scale` of RGB pixel values from 0 to 255, then the central square (or rectangle) of the
 * network's size.
 */
export interface Preprocessing {
  /** Height and width of the images before they are cropped, in pixels: at least those of the network's input. */
  readonly imageSize: readonly [height: number, width: number];
  /** What is subtracted: one value per channel, or an image `[C, height, width]` of `imageSize`. */
  readonly mean: readonly number[] | HostTensor;
  /** What the difference is divided by. Default: 1. */
  readonly scale?: number;
}

/**
 * Checks how images become an input `[C, H, W]`.
 *
 * @throws ConfigError for an option that is not allowed; ShapeError if sizes do not fit
 */
export function checkPreprocessing(given: Preprocessing, input: readonly number[]): Required<Preprocessing> {
  checkOptions('preprocessing', given, ['imageSize', 'mean', 'scale']);
  const { imageSize, mean, scale = 1 } = given;
  const [channels = 0, height = 0, width = 0] = input;
  if (!Array.isArray(imageSize) || imageSize.length !== 2) {
    throw new ConfigError(`preprocessing: imageSize must be [height, width], got ${String(imageSize)}`);
  }
  checkWholeNumber('preprocessing', 'the height of imageSize', imageSize[0]);
  checkWholeNumber('preprocessing', 'the width of imageSize', imageSize[1]);
  checkPositive('preprocessing', 'scale', scale);
  if (imageSize[0]! < height || imageSize[1]! < width) {
    throw new ShapeError(
      `preprocessing: images of ${imageSize.join(' x ')} are smaller than the network's input of ${height} x ${width}; give larger ones`,
    );
  }
  const shape = isImage(mean) ? mean.shape : [mean?.length];
  const fits = isImage(mean) ? [channels, ...imageSize] : [channels];
  if (formatShape(shape) !== formatShape(fits)) {
    throw new ShapeError(
      `preprocessing: the mean has the shape ${formatShape(shape)}; it must be ${formatShape([channels])} or ${formatShape([channels, ...imageSize])}`,
    );
  }
  return { imageSize, mean, scale };
}

/** Whether a mean is an image, instead of one value per channel. */
export function isImage(mean: Preprocessing['mean']): mean is HostTensor {
  return 'data' in mean;
}
