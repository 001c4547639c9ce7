import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { publishedForms } from '@alex/model-alexnet';
import { type OnnxNetwork, readOnnx } from '@alex/onnx';
import { AlexError, CheckpointError, type NetworkDescription } from '@alex/tensor';
import { type NotedModel, notedModel } from '@alex/trainer';
import { matchingVariant } from './matching-variant.js';
import type { ForeignWeights, OwnWeights, PublishedWeights } from './weights.js';

/** Images are larger than what is cut out of them, as they were in the paper. */
const usualSizes = { image: 256, smallestInput: 200 } as const;

/**
 * Reads a network from an ONNX model.
 *
 * @throws CheckpointError with the file: what is damaged, or not understood in it, and what to do
 */
export async function readOnnxWeights(file: string): Promise<PublishedWeights | OwnWeights | ForeignWeights> {
  const network = await networkIn(file);
  const { description, parameters, preprocessing, metadata } = network;
  const noted = noteOf(metadata);
  const same = matchingVariant(description, parameters, metadata['variant']);
  const classes = description.output.reduce((product, size) => product * size, 1);
  const inputSize = description.input[1]!;
  const prepared = preprocessing ?? (noted.mean && { ...noted, mean: noted.mean });
  if (same && !prepared) {
    const form = Object.values(publishedForms).find(({ variant }) => variant === same.variant);
    if (form) {
      const tensors = Object.fromEntries(
        same.description.layers.flatMap(({ layer, parameters: own }) =>
          own.map(({ name, path }) => [
            `${(form.layers as Record<string, string>)[layer.name]}.${name}`,
            same.weights[path]!,
          ]),
        ),
      );
      const remarks = [
        `computes what ${form.variant} does; its images are prepared as for the published weights of that network.`,
      ];
      return { file, form, tensors, classes, remarks, inputSize };
    }
  }
  const { mean, scale = 1, imageSize = sizeAround(inputSize) } = prepared ?? defaultsFor(file, description);
  const model: NotedModel = {
    variant: same?.variant ?? description.name,
    inputSize,
    ...(noted.classes?.length === classes && { classes: noted.classes }),
    mean: 'data' in mean ? undefined : mean,
    scale,
    imageSize,
  };
  const rest = {
    file,
    model,
    ...('data' in mean && { meanImage: mean }),
    remarks: prepared
      ? []
      : ['does not say how its images are prepared; taken to be RGB pixels minus the mean colour of ImageNet.'],
  };
  if (same) return { ...rest, form: 'own', tensors: same.weights };
  return { ...rest, form: 'foreign', tensors: parameters, description };
}

async function networkIn(file: string): Promise<OnnxNetwork> {
  try {
    return await readOnnx(await readFile(file), {
      externalData: (location) => readFile(join(dirname(file), location)),
    });
  } catch (error) {
    if (error instanceof AlexError) throw new CheckpointError(`${file}: ${error.message}`, { cause: error });
    throw new CheckpointError(`${file}: could not be read: ${(error as Error).message}`, { cause: error });
  }
}

/** What this program writes into the metadata of a model, if all of it is there. */
function noteOf(metadata: Readonly<Record<string, string>>): Partial<NotedModel> {
  return notedModel(metadata) ?? {};
}

function sizeAround(inputSize: number): readonly [number, number] {
  const size = inputSize >= usualSizes.smallestInput ? Math.max(usualSizes.image, inputSize) : inputSize;
  return [size, size];
}

/** For colour images only: of others, there is no usual mean. */
function defaultsFor(
  file: string,
  { input }: NetworkDescription,
): { mean: readonly number[]; scale?: number; imageSize?: readonly [number, number] } {
  if (input[0] === 3) return { mean: publishedForms.torchvision.mean };
  throw new CheckpointError(
    `${file}: does not say how its images of ${input[0]} channels are prepared; give a model that contains it (Sub and Div before the first layer)`,
  );
}
