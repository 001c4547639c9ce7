import { type VariantDescription, variants } from '@alex/model-alexnet';
import { AlexError, type HostTensor, type NetworkDescription } from '@alex/tensor';
import { formatShape } from '@alex/tensor/kernels';
import { describeModel } from './session.js';

/** A network that tensors fit, and the image sizes for which they do. */
export interface FittingModel {
  readonly variant: string;
  /** Its usual size if that fits, otherwise all that do. */
  readonly inputSizes: readonly number[];
}

type Shapes = Readonly<Record<string, Pick<HostTensor, 'shape'>>>;

/** The largest image size that is tried if only the tensors determine it. */
const largestSize = 512;

/** The networks whose parameters the tensors may be, by their names and shapes; other tensors are ignored. */
export function fittingModels(tensors: Shapes): FittingModel[] {
  return variants.flatMap((known) => {
    const inputSizes = fittingSizes(known, tensors);
    return inputSizes.length === 0 ? [] : [{ variant: known.name, inputSizes }];
  });
}

function fittingSizes({ name, inputSize }: VariantDescription, tensors: Shapes): number[] {
  const describe = (size: number) => describeFor(name, size, tensors);
  const usual = describe(inputSize);
  if (!usual || !hasNames(usual, tensors)) return [];
  const wrong = misfits(usual, tensors);
  if (wrong.length === 0) return [inputSize];
  // Only the first layer that sees all of an image at once depends on its size.
  if (wrong.length > 1) return [];
  return Array.from({ length: largestSize }, (_, i) => i + 1).filter((size) => {
    const other = describe(size);
    return other !== undefined && misfits(other, tensors).length === 0;
  });
}

/**
 * The network with the number of classes and channels of the tensors; undefined if an image of this size is too small for it.
 */
function describeFor(variant: string, inputSize: number, tensors: Shapes): NetworkDescription | undefined {
  const [first, last] = endsOf(describeModel({ variant }));
  const [channels, classes] = [tensors[first]?.shape[1], tensors[last]?.shape[0]];
  try {
    return describeModel({ variant, inputSize, classes, ...(channels !== undefined && { channels }) });
  } catch (error) {
    if (error instanceof AlexError) return undefined;
    throw error;
  }
}

/** The names of the first weights and of the last. */
function endsOf({ layers }: NetworkDescription): [first: string, last: string] {
  const weights = layers.flatMap(({ parameters }) => parameters.filter(({ name }) => name === 'weight'));
  return [weights[0]!.path, weights.at(-1)!.path];
}

/** Whether the tensors are those of all of the network's layers and of no others. */
function hasNames(network: NetworkDescription, tensors: Shapes): boolean {
  const own = pathsOf(network).map(({ path }) => path);
  const given = Object.keys(tensors).filter((name) => /\.(weight|bias)$/.test(name));
  return own.length === given.length && own.every((path) => given.includes(path));
}

function misfits(network: NetworkDescription, tensors: Shapes): string[] {
  return pathsOf(network).flatMap(({ path, shape }) =>
    formatShape(tensors[path]?.shape ?? []) === formatShape(shape) ? [] : [path],
  );
}

function pathsOf({ layers }: NetworkDescription) {
  return layers.flatMap(({ parameters }) => parameters);
}
