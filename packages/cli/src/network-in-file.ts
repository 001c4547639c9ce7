import type { Dataset } from '@alex/data';
import { CheckpointError, ConfigError, type HostTensor, type NetworkDescription } from '@alex/tensor';
import { base64FromFloats, readCaffeMean } from '@alex/trainer';
import { checkClasses, publishedImageSize, publishedNetwork, readLabels } from './published.js';
import { readWeights } from './read-weights.js';
import { describeModel, type TrainedNetwork } from './session.js';
import type { ForeignWeights, OwnWeights } from './weights.js';
import { configForWeights } from './weights-config.js';

/** A trained network that a file contains, whatever wrote it. */
export interface NetworkInFile {
  readonly file: string;
  /** Height and width of the images that it is for, before they are cropped. */
  readonly imageSize: readonly [height: number, width: number];
  /** Number of classes. */
  readonly classes: number;
  /** Their names, if the file has them. */
  readonly labels: readonly string[] | undefined;
  /** What has to be known of it: one sentence each. */
  readonly remarks: readonly string[];
  /** The network for some images; ConfigError or CheckpointError if they do not fit. */
  network(images: Pick<Dataset, 'classes' | 'height' | 'width'>): Promise<TrainedNetwork>;
}

/**
 * Reads a network from a file of weights.
 *
 * @param mean Caffe's mean image, for Caffe's weights
 * @throws CheckpointError if the file is missing, damaged, of another format, or does not say of which network it is; ConfigError if it takes no mean
 */
export async function readNetwork(file: string, mean?: string): Promise<NetworkInFile> {
  const weights = await readWeights(file);
  if (weights.form === 'own' || weights.form === 'foreign') {
    if (mean !== undefined)
      throw new ConfigError(`--mean ${mean}: only Caffe's networks subtract a mean image; leave it out`);
    return ownNetwork(weights);
  }
  const { classes, remarks, notes } = weights;
  return {
    ...{ file, classes, remarks, labels: notes?.classes },
    imageSize: (await sizeOfMean(mean)) ?? notes?.imageSize ?? [publishedImageSize, publishedImageSize],
    network: (images) => publishedNetwork(weights, images, mean),
  };
}

/** The network with names for its classes, for images of the size that it is for. */
export async function withLabels(found: NetworkInFile, labels: string | undefined): Promise<TrainedNetwork> {
  const [height, width] = found.imageSize;
  return found.network({ classes: await readLabels(labels, found.classes, found.labels), height, width });
}

/** A mean image has the size of its images. */
async function sizeOfMean(file: string | undefined): Promise<readonly [number, number] | undefined> {
  if (file === undefined) return undefined;
  const { shape } = await readCaffeMean(file);
  return shape.slice(-2) as [number, number];
}

function ownNetwork(weights: OwnWeights | ForeignWeights): NetworkInFile {
  const { file, tensors, model, meanImage, remarks } = weights;
  const description = descriptionIn(weights);
  const { mean, scale, imageSize } = model ?? {};
  const [channels = 0, height = 0, width = 0] = description?.input ?? [];
  if (!description || !model || scale === undefined || !(mean || meanImage) || !imageSize) {
    throw new CheckpointError(
      `${file}: contains weights of a run of this program (with names such as conv1.weight), and does not say how its images are prepared; give the run's directory with --run`,
    );
  }
  const classes = description.output.reduce((product, size) => product * size, 1);
  return {
    ...{ file, imageSize, classes, remarks, labels: model.classes },
    async network(images) {
      checkClasses(file, classes, images);
      checkMeanImage(file, meanImage, images);
      const config = configForWeights({
        ...{ file, images, channels, scale },
        model: { variant: model.variant, inputSize: Math.min(height, width) },
        mean: mean ?? new Array<number>(channels).fill(0),
        ...(meanImage && { meanImage: base64FromFloats(meanImage.data) }),
      });
      return {
        path: file,
        config,
        ...(weights.form === 'foreign' && { description }),
        learnt: async () => ({ weights: { ...tensors }, kind: 'published' }),
      };
    },
  };
}

function descriptionIn(weights: OwnWeights | ForeignWeights): NetworkDescription | undefined {
  if (weights.form === 'foreign') return weights.description;
  const { model, tensors } = weights;
  if (!model) return undefined;
  const { variant, inputSize } = model;
  const known = describeModel({ variant });
  const learnt = known.layers.flatMap(({ parameters }) => parameters.filter(({ name }) => name === 'weight'));
  const channels = tensors[learnt[0]!.path]?.shape[1];
  const classes = tensors[learnt.at(-1)!.path]?.shape[0];
  return describeModel({ variant, inputSize, classes, ...(channels !== undefined && { channels }) });
}

function checkMeanImage(
  file: string,
  mean: HostTensor | undefined,
  { height, width }: { height: number; width: number },
): void {
  if (!mean || mean.shape.slice(-2).join() === [height, width].join()) return;
  throw new ConfigError(
    `${file}: subtracts a mean image of ${mean.shape.slice(-2).join(' x ')}, and the images are ${height} x ${width}; give images of its size`,
  );
}
