import { stat } from 'node:fs/promises';
import { fromPublished } from '@alex/model-alexnet';
import { ConfigError, type HostTensor } from '@alex/tensor';
import { checkStartingWeights, type Recipe, type RunConfig, RunDirectory } from '@alex/trainer';
import { fittingModels } from './fitting-models.js';
import type { Output } from './output.js';
import { readWeights } from './read-weights.js';
import { describeModel } from './session.js';
import type { OwnWeights } from './weights.js';

/** A starting point for training other than random weights. */
export interface StartingPoint {
  /** The variant and the input of its network, if known. */
  readonly variant?: string;
  /** If it is not known: the possible networks. */
  readonly candidates?: readonly string[];
  readonly inputSize?: number;
  /** Names of its classes, if known. */
  readonly classes?: readonly string[];
  /** Whether the weights were published by others: then they do not suit another network, even if it has the same shapes. */
  readonly isPublished: boolean;
  /** The mean subtracted from its images, one value per channel. Default: the mean of the data. */
  readonly mean?: readonly number[];
  /** Remarks to print. */
  readonly remarks: readonly string[];
  /**
   * Its weights under this program's names.
   *
   * @param scale the run's divisor of the differences from the mean
   */
  weights(scale: number): Readonly<Record<string, HostTensor>>;
}

/**
 * Reads the starting point of training: a run, a file with its weights, or published weights.
 *
 * @throws ConfigError if there is no run; CheckpointError if the file is not a weights file, saying what it is
 */
export async function startingPoint(path: string): Promise<StartingPoint> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isFolder) return ofRun(path);
  const read = await readWeights(path);
  if (read.form === 'foreign') {
    throw new ConfigError(
      `${path}: its layers are those of no network of this program (docs/networks.md lists them), so it cannot be trained here; classify, evaluate and features can use it`,
    );
  }
  if (read.form === 'own') return ofOwnWeights(path, read);
  const { form, tensors, classes, remarks, inputSize } = read;
  const { variant, mean } = form;
  const description = describeModel({ variant, classes, inputSize });
  return {
    variant,
    ...(inputSize !== undefined && { inputSize }),
    isPublished: true,
    mean,
    remarks: remarks.map((remark) => `${path}: ${remark}`),
    weights: (scale) => fromPublished(path, tensors, form, description, scale),
  };
}

/** Weights of a run in a file: of the network that the file names or, where it names none, of the only one that they fit. */
function ofOwnWeights(path: string, { tensors, model, remarks }: OwnWeights): StartingPoint {
  const point = { isPublished: false, remarks: remarks.map((remark) => `${path}: ${remark}`), weights: () => tensors };
  if (model) {
    const { variant, inputSize, classes, mean, scale: own } = model;
    return {
      ...point,
      variant,
      inputSize,
      ...(classes && { classes }),
      ...(mean && { mean }),
      ...(own !== undefined && { weights: (scale) => rescaled(tensors, variant, scale / own) }),
    };
  }
  const fitting = fittingModels(tensors);
  if (fitting.length !== 1) return { ...point, candidates: fitting.map(({ variant }) => variant) };
  const { variant, inputSizes } = fitting[0]!;
  const [smallest, largest] = [inputSizes[0]!, inputSizes.at(-1)!];
  const others = inputSizes.length > 1 ? `; sizes up to ${largest} fit as well, select one with --crop` : '';
  return {
    ...point,
    variant,
    inputSize: smallest,
    remarks: [`${path}: assumed to be ${variant} for images of ${smallest} x ${smallest}${others}.`],
  };
}

/** Weights for images that are divided by another number: the first filters make up for it. */
function rescaled(
  tensors: Readonly<Record<string, HostTensor>>,
  variant: string,
  factor: number,
): Readonly<Record<string, HostTensor>> {
  const first = describeModel({ variant }).layers.find(({ parameters }) => parameters.length > 0)!.parameters[0]!.path;
  const weight = tensors[first];
  if (factor === 1 || !weight) return tensors;
  return { ...tensors, [first]: { shape: weight.shape, data: weight.data.map((value) => value * factor) } };
}

/**
 * The weights that a run starts from, under this program's names. Unusable weights are found here, before an adapter is
 * opened.
 *
 * @throws ConfigError for a tensor that is missing or does not fit, or a layer that does not exist
 */
export async function givenWeights(
  { model, data, images, recipe }: RunConfig,
  { weights: path, replaces }: NonNullable<Recipe['startsFrom']>,
  output: Pick<Output, 'line'>,
): Promise<Readonly<Record<string, HostTensor>>> {
  const start = await startingPoint(path);
  for (const remark of start.remarks) output.line(remark);
  const weights = start.weights(images.scale);
  const network = describeModel({ ...model, classes: data.classes.length, channels: data.channels });
  try {
    const begun = checkStartingWeights(weights, network, replaces);
    refuseFrozen(begun, recipe.overrides);
    const taken = `${network.layers.filter(({ parameters }) => parameters.length > 0).length - begun.length}`;
    if (begun.length > 0) {
      output.line(
        `${path}: ${taken} layers start from it; ${begun.join(', ')} ${begun.length > 1 ? 'are' : 'is'} reinitialized.`,
      );
    }
  } catch (error) {
    if (error instanceof ConfigError) throw new ConfigError(`${path}: ${error.message}`, { cause: error });
    throw error;
  }
  return weights;
}

/** A layer that is reinitialized and never learns would be of no use. */
function refuseFrozen(begun: readonly string[], overrides: Recipe['overrides'] = {}): void {
  const frozen = begun.find((layer) => overrides[`${layer}.weight`]?.learningRateScale === 0);
  if (frozen === undefined) return;
  throw new ConfigError(`${frozen} is reinitialized, so it must not be frozen; remove it from --freeze`);
}

async function ofRun(path: string): Promise<StartingPoint> {
  const run = await RunDirectory.open(path);
  const { weights, kind, step } = await run.learnt();
  const { model, data, images } = run.config;
  return {
    ...model,
    classes: data.classes,
    isPublished: false,
    // A mean image has the size of its own images.
    ...(images.meanImage === undefined && { mean: images.mean }),
    remarks:
      kind === 'finished' ? [] : [`${path}: has not finished; starting from its newest checkpoint, of step ${step}.`],
    weights: () => weights,
  };
}
