import { readFile } from 'node:fs/promises';
import { type Dataset, textOf } from '@alex/data';
import { fromPublished } from '@alex/model-alexnet';
import { ConfigError } from '@alex/tensor';
import { formatShape } from '@alex/tensor/kernels';
import { base64FromFloats, readCaffeMean } from '@alex/trainer';
import { describeModel, type TrainedNetwork } from './session.js';
import type { PublishedWeights } from './weights.js';
import { configForWeights } from './weights-config.js';

/** The images that the published networks were tested on: shorter side 256, central square. */
export const publishedImageSize = 256;

/**
 * A published network, ready to be put on an adapter.
 *
 * @param images the images that it will get
 * @param meanFile Caffe's mean image; by default, the published mean colour is subtracted
 * @throws CheckpointError if a tensor is missing, unknown or misshapen; ConfigError if the mean does not fit
 */
export async function publishedNetwork(
  weights: PublishedWeights,
  images: Pick<Dataset, 'classes' | 'height' | 'width'>,
  meanFile?: string,
): Promise<TrainedNetwork> {
  const { file, form, tensors, classes } = weights;
  const { variant } = form;
  checkClasses(file, classes, images);
  const description = describeModel({ variant, classes, inputSize: weights.inputSize });
  const config = configForWeights({
    file,
    model: { variant, inputSize: description.input[1]! },
    images,
    channels: 3,
    mean: form.mean,
    ...(meanFile !== undefined && { meanImage: await readMean(meanFile, weights, images) }),
    scale: 1,
  });
  const parameters = fromPublished(file, tensors, form, description);
  return { path: file, config, learnt: async () => ({ weights: parameters, kind: 'published' }) };
}

/** @throws ConfigError unless images have as many classes as a network */
export function checkClasses(file: string, classes: number, images: Pick<Dataset, 'classes'>): void {
  if (images.classes.length === classes) return;
  throw new ConfigError(
    `${file}: has ${classes} classes, but the images have ${images.classes.length}; use images with the same ` +
      'classes in the same order (ImageNet: in order of the WordNet ids)',
  );
}

/** Caffe's mean image, with its channels reversed. */
async function readMean(
  file: string,
  { form }: PublishedWeights,
  { height, width }: Pick<Dataset, 'height' | 'width'>,
): Promise<string> {
  if (form.channels !== 'bgr') {
    throw new ConfigError(`--mean ${file}: only Caffe's networks subtract a mean image; omit it`);
  }
  const { shape, data } = await readCaffeMean(file);
  const [channels, ownHeight, ownWidth] = shape.slice(-3);
  if (channels !== 3 || ownHeight !== height || ownWidth !== width || data.length !== 3 * height * width) {
    throw new ConfigError(
      `--mean ${file}: the mean image has the shape ${formatShape(shape)}, the images need [3, ${height}, ${width}]`,
    );
  }
  const plane = height * width;
  const turned = new Float32Array(data.length);
  for (let channel = 0; channel < 3; channel++) {
    turned.set(data.subarray((2 - channel) * plane, (3 - channel) * plane), channel * plane);
  }
  return base64FromFloats(turned);
}

/**
 * Names for a network's classes: one per line, with or without a WordNet id before it.
 *
 * @param own those that the network's file has. Default: numbers
 * @throws ConfigError if their number is not that of the classes
 */
export async function readLabels(
  file: string | undefined,
  classes: number,
  own: readonly string[] = Array.from({ length: classes }, (_, label) => `class ${label}`),
): Promise<readonly string[]> {
  if (file === undefined) return own;
  const content = await readFile(file).catch((error: Error) => {
    throw new ConfigError(`--labels ${file}: could not be read: ${error.message}`, { cause: error });
  });
  const names = textOf(content)
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => line.trim().replace(/^n\d{8}\s+/, ''));
  if (names.length === classes) return names;
  throw new ConfigError(`--labels ${file}: has ${names.length} lines, but the network has ${classes} classes`);
}
