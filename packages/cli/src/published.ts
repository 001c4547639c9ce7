import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Dataset, textOf } from '@alex/data';
import { fromPublished, type PublishedForm, publishedForms, publishedNames } from '@alex/model-alexnet';
import { CheckpointError, ConfigError, type HostTensor } from '@alex/tensor';
import { formatShape } from '@alex/tensor/kernels';
import {
  base64FromFloats,
  type Caffemodel,
  checkRunConfig,
  type NotedModel,
  notedModel,
  readCaffeMean,
  readCaffemodel,
  readSafetensors,
  weightsFormat,
} from '@alex/trainer';
import { defaultsOf } from './recipes.js';
import { describeModel, type TrainedNetwork } from './session.js';

/** The images that the published networks were tested on: shorter side 256, central square. */
export const publishedImageSize = 256;

/** Published weights. */
export interface PublishedWeights {
  readonly file: string;
  readonly form: PublishedForm;
  /** Under the published network's own names. */
  readonly tensors: Readonly<Record<string, HostTensor>>;
  /** Number of classes. */
  readonly classes: number;
  /** What was changed or skipped: one sentence each. */
  readonly remarks: readonly string[];
}

/** Weights in a safetensors file under this program's own names, such as the `weights.safetensors` of a run. */
export interface OwnWeights {
  readonly file: string;
  readonly form: 'own';
  readonly tensors: Readonly<Record<string, HostTensor>>;
  /** The description of its network in the metadata. */
  readonly model: NotedModel | undefined;
}

/**
 * Reads a weights file, and detects its origin from its contents.
 *
 * @throws CheckpointError if it is missing, truncated or of another format; the message says what to do
 */
export async function readWeights(file: string): Promise<PublishedWeights | OwnWeights> {
  if ((await weightsFormat(file)) === 'caffemodel') {
    const model = await readCaffemodel(file);
    const { form, remark } = caffeForm(file, model);
    return published(file, form, model.tensors, ...remark);
  }
  const { tensors, metadata, wholeNumbers } = await readSafetensors(file);
  const isTorchvision = Object.keys(tensors).some((name) => /(^|\.)(features|classifier)\./.test(name));
  if (!isTorchvision && Object.keys(tensors).some((name) => /^conv1\.|\.velocity$/.test(name))) {
    return { file, form: 'own', tensors, model: notedModel(metadata) };
  }
  const counters = wholeNumbers.length > 0 ? [`${wholeNumbers.join(', ')}: integers, skipped.`] : [];
  return published(file, publishedForms.torchvision, tensors, ...counters);
}

/**
 * Reads published weights.
 *
 * @throws CheckpointError as {@link readWeights}, and for weights of a run
 */
export async function readPublishedWeights(file: string): Promise<PublishedWeights> {
  const weights = await readWeights(file);
  if (weights.form !== 'own') return weights;
  throw new CheckpointError(
    `${file}: contains weights of a run of this program (with names such as conv1.weight); give the run's directory with --run`,
  );
}

function published(
  file: string,
  form: PublishedForm,
  given: Readonly<Record<string, HostTensor>>,
  ...found: readonly string[]
): PublishedWeights {
  const { tensors, remarks } = publishedNames(file, given, form);
  const classes = tensors[`${form.layers['fc8']}.bias`]!.data.length;
  return { file, form, tensors, classes, remarks: [...found, ...remarks] };
}

/**
 * Which of Caffe's two networks it is. Their tensors have the same names and shapes, but AlexNet normalizes before it
 * pools, CaffeNet afterwards.
 */
function caffeForm(
  file: string,
  { name, layers }: Caffemodel,
): { readonly form: PublishedForm; readonly remark: readonly string[] } {
  const [normalization, pooling] = ['LRN', 'Pooling'].map((type) => layers.findIndex((layer) => layer.type === type));
  if (normalization! >= 0 && pooling! >= 0) {
    const form = normalization! < pooling! ? publishedForms.caffe : publishedForms.caffenet;
    return { form, remark: [] };
  }
  if (pooling! >= 0) {
    throw new CheckpointError(
      `${file}: ${name || 'its network'} has pooling but no normalization across maps (LRN): this relative of AlexNet is not supported`,
    );
  }
  const form = /caffenet/i.test(name) ? publishedForms.caffenet : publishedForms.caffe;
  return {
    form,
    remark: [
      `does not say whether it normalizes before it pools; assumed to be ${form.variant}${name && `, by its name ${name}`}.`,
    ],
  };
}

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
  if (images.classes.length !== classes) {
    throw new ConfigError(
      `${file}: has ${classes} classes, but the images have ${images.classes.length}; use images with the same ` +
        'classes in the same order (ImageNet: in order of the WordNet ids)',
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
    // It is not trained, so only the batch matters.
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
 * @throws ConfigError if their number is not that of the classes
 */
export async function readLabels(file: string | undefined, classes: number): Promise<string[]> {
  if (file === undefined) return Array.from({ length: classes }, (_, label) => `class ${label}`);
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
