import { type PublishedForm, publishedForms, publishedNames } from '@alex/model-alexnet';
import { CheckpointError, type HostTensor } from '@alex/tensor';
import {
  type Caffemodel,
  type NotedModel,
  notedModel,
  readCaffemodel,
  readSafetensors,
  weightsFormat,
} from '@alex/trainer';
import { readOnnxWeights } from './onnx-weights.js';
import type { AnyWeights, PublishedWeights } from './weights.js';

/**
 * Reads a weights file, and detects its origin from its contents.
 *
 * @throws CheckpointError if it is missing, truncated or of another format; the message says what to do
 */
export async function readWeights(file: string): Promise<AnyWeights> {
  const format = await weightsFormat(file);
  if (format === 'onnx') return readOnnxWeights(file);
  if (format === 'caffemodel') {
    const model = await readCaffemodel(file);
    const { form, remark } = caffeForm(file, model);
    return published(file, form, model.tensors, ...remark);
  }
  const { tensors, metadata, wholeNumbers } = await readSafetensors(file);
  const isTorchvision = Object.keys(tensors).some((name) => /(^|\.)(features|classifier)\./.test(name));
  if (!isTorchvision && Object.keys(tensors).some((name) => /^conv1\.|\.velocity$/.test(name))) {
    return { file, form: 'own', tensors, model: notedModel(metadata), remarks: [] };
  }
  const counters = wholeNumbers.length > 0 ? [`${wholeNumbers.join(', ')}: integers, skipped.`] : [];
  const notes = notedModel(metadata);
  return {
    ...published(file, formOf(notes), tensors, ...counters),
    ...(notes && { notes, inputSize: notes.inputSize }),
  };
}

/** torchvision's names, with the images that the file says it is for. */
function formOf(notes: NotedModel | undefined): PublishedForm {
  const { mean, scale } = notes ?? {};
  if (mean?.length !== 3 || scale === undefined) return publishedForms.torchvision;
  const [red, green, blue] = mean as [number, number, number];
  return { ...publishedForms.torchvision, mean: [red, green, blue], deviations: [scale, scale, scale] };
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
