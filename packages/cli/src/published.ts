import { open, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Dataset } from '@alex/data';
import { fromPublished, type PublishedForm, publishedForms } from '@alex/model-alexnet';
import { CheckpointError, ConfigError, type HostTensor } from '@alex/tensor';
import { formatShape } from '@alex/tensor/kernels';
import { checkRunConfig, readCaffeMean, readCaffemodel, readSafetensors } from '@alex/trainer';
import { base64FromFloats } from './base64.js';
import { defaultsOf } from './recipes.js';
import { describeModel, type TrainedNetwork } from './session.js';

/** Images as the published networks were tested on: shorter side 256, the square in its centre. */
export const publishedImageSize = 256;

/** Weights that others published, as their file has them. */
export interface PublishedWeights {
  readonly file: string;
  readonly form: PublishedForm;
  /** By the file's own names. */
  readonly tensors: Readonly<Record<string, HostTensor>>;
  /** How many classes they tell apart. */
  readonly classes: number;
}

/**
 * Reads a file of published weights, and tells by its content which form it has.
 *
 * @throws CheckpointError where it is missing, torn or of another kind
 */
export async function readPublishedWeights(file: string): Promise<PublishedWeights> {
  const kind = await kindOf(file);
  const form = kind === 'safetensors' ? publishedForms.torchvision : publishedForms.caffe;
  const tensors = kind === 'safetensors' ? (await readSafetensors(file)).tensors : await readCaffemodel(file);
  const last = `${form.layers.fc8}.bias`;
  const bias = tensors[last];
  if (!bias) {
    throw new CheckpointError(
      `${file}: ${last} is missing; safetensors files must name their tensors as torchvision's alexnet does ` +
        '(features.0.weight), caffemodel files as bvlc_alexnet (conv1)',
    );
  }
  return { file, form, tensors, classes: bias.data.length };
}

async function kindOf(file: string): Promise<'safetensors' | 'caffemodel'> {
  let head: Buffer;
  try {
    const handle = await open(file);
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(9), 0, 9, 0);
      head = buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw new CheckpointError(`${file}: could not be read: ${(error as Error).message}`, { cause: error });
  }
  if (head.toString('latin1', 0, 2) === 'PK' || head.toString('latin1', 0, 2) === '\x80\x02') {
    throw new CheckpointError(`${file}: is a file of PyTorch's (torch.save); save it as safetensors first`);
  }
  return head[8] === '{'.charCodeAt(0) ? 'safetensors' : 'caffemodel';
}

/**
 * A published network, ready to be put on an adapter.
 *
 * @param images what it will be shown
 * @param meanFile Caffe's mean image; otherwise the mean colour that came with the network is subtracted
 * @throws CheckpointError where a tensor is missing, unknown or of another shape; ConfigError where the mean does not fit
 */
export async function publishedNetwork(
  weights: PublishedWeights,
  images: Pick<Dataset, 'classes' | 'height' | 'width'>,
  meanFile?: string,
): Promise<TrainedNetwork> {
  const { file, form, tensors, classes } = weights;
  const { variant } = form;
  if (images.classes.length !== classes) {
    throw new ConfigError(
      `${file}: tells ${classes} classes apart, the images have ${images.classes.length}; give images of the same ` +
        'classes in the same order (ImageNet: that of the WordNet ids)',
    );
  }
  const { height, width } = images;
  const description = describeModel({ variant, classes });
  const { batch, learningRate, momentum, weightDecay, schedule } = defaultsOf(variant);
  const config = checkRunConfig({
    model: { variant, inputSize: description.input[1]! },
    data: { source: file, name: basename(file), classes: [...images.classes], height, width, channels: 3 },
    images: {
      crop: 'centre',
      mirror: false,
      padding: 0,
      mean: [...form.mean],
      ...(meanFile !== undefined && { meanImage: await readMean(meanFile, weights, images) }),
      scale: 1,
    },
    // It learns no more; only the batch matters.
    recipe: {
      batch,
      learningRate,
      momentum,
      weightDecay,
      schedule,
      seed: 0,
      steps: 1,
      evaluateEvery: 1,
      checkpointEvery: 1,
    },
  });
  const parameters = fromPublished(file, tensors, form, description);
  return { path: file, config, learnt: async () => ({ weights: parameters, kind: 'published' }) };
}

/** Caffe's mean image, its channels turned round. */
async function readMean(
  file: string,
  { form }: PublishedWeights,
  { height, width }: Pick<Dataset, 'height' | 'width'>,
): Promise<string> {
  if (form.channels !== 'bgr') {
    throw new ConfigError(`--mean ${file}: only Caffe's networks subtract a mean image; leave it out`);
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
 * Names for a network's classes: a line each, with a WordNet id before it or not.
 *
 * @throws ConfigError where there are not as many as classes
 */
export async function readLabels(file: string | undefined, classes: number): Promise<string[]> {
  if (file === undefined) return Array.from({ length: classes }, (_, label) => `class ${label}`);
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new ConfigError(`--labels ${file}: could not be read: ${error.message}`, { cause: error });
  });
  // Programs on Windows begin a text with a byte order mark.
  const names = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
    .map((line) => line.trim().replace(/^n\d{8}\s+/, ''));
  if (names.length === classes) return names;
  throw new ConfigError(`--labels ${file}: has ${names.length} lines, the network tells ${classes} classes apart`);
}
