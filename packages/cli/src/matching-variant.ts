import { variants } from '@alex/model-alexnet';
import { AlexError, type DescribedLayer, type HostTensor, type NetworkDescription, type Shape } from '@alex/tensor';
import { elementCount } from '@alex/tensor/kernels';
import { describeModel } from './session.js';

/** A network of this program that computes the same as one from elsewhere. */
export interface MatchingVariant {
  readonly variant: string;
  readonly description: NetworkDescription;
  /** The weights under its own names. */
  readonly weights: Record<string, HostTensor>;
}

/**
 * The network of this program that computes the same, outside training, as one from elsewhere: the same layers in the same order, whatever
 * they are called.
 *
 * @param preferred the variant to try first, if its name is known
 */
export function matchingVariant(
  given: NetworkDescription,
  weights: Readonly<Record<string, HostTensor>>,
  preferred?: string,
): MatchingVariant | undefined {
  const wanted = signatureOf(given);
  const names = variants.map(({ name }) => name as string).sort((one) => (one === preferred ? -1 : 0));
  for (const variant of names) {
    const description = describedAs(variant, given);
    if (!description || signatureOf(description) !== wanted) continue;
    const tensors = given.layers.flatMap(({ parameters }) => parameters.map(({ path }) => weights[path]!));
    const own = description.layers.flatMap(({ parameters }) => parameters);
    const named = own.map(({ path, shape }, index): [string, HostTensor] => [
      path,
      { shape: [...shape], data: tensors[index]!.data },
    ]);
    return { variant, description, weights: Object.fromEntries(named) };
  }
  return undefined;
}

/** The variant for the same images and classes; undefined if such images are too small for it. */
function describedAs(variant: string, { input, output }: NetworkDescription): NetworkDescription | undefined {
  const [channels = 0, height = 0, width = 0] = input;
  if (height !== width) return undefined;
  try {
    return describeModel({ variant, inputSize: height, classes: elementCount(output), channels });
  } catch (error) {
    if (error instanceof AlexError) return undefined;
    throw error;
  }
}

type Options = Readonly<Record<string, unknown>>;
type Sides = { readonly top: number; readonly left: number };

/** What a layer computes outside training, besides its kind and the shape of its output; kinds that are not listed have nothing. */
const meanings: Readonly<Record<string, (options: Options, input: Shape) => unknown>> = {
  conv2d: ({ kernel, stride, padding, groups }) => [kernel, stride, cornerOf(padding), groups],
  local2d: ({ kernel, stride, padding }) => [kernel, stride, cornerOf(padding)],
  maxPool: ({ size, stride, padding }) => [size, stride, cornerOf(padding)],
  averagePool: ({ size, stride, padding, countPadding }) => [
    ...[size, stride, cornerOf(padding)],
    // Without padding, there is nothing to be counted.
    Object.values(padding as object).some((side) => side > 0) && countPadding,
  ],
  localResponseNorm: ({ size, alpha, beta, k, alphaPerElement, across, groups }) => {
    const elements = across === 'maps' ? (size as number) : (size as number) ** 2;
    const share = (alpha as number) / (alphaPerElement ? elements : 1);
    return [size, Math.fround(share).toPrecision(6), beta, k, across, across === 'maps' ? groups : 1];
  },
  dropout: ({ probability }) => probability,
};

/** Where windows begin; where they end follows from the number of them. */
function cornerOf(padding: unknown): unknown {
  const { top, left } = padding as Sides;
  return [top, left];
}

function signatureOf({ layers }: NetworkDescription): string {
  const computing = layers.filter(
    ({ layer }) => layer.kind !== 'identity' && !(layer.kind === 'dropout' && layer.options?.['inverted']),
  );
  return JSON.stringify(computing.map(meaningOf));
}

function meaningOf({ layer, inputShape, outputShape, parameters }: DescribedLayer): unknown {
  const { kind, options = {} } = layer;
  const values = elementCount(outputShape);
  if (kind === 'dense' || isDense({ kind, options, inputShape, outputShape })) return ['dense', values];
  const shapes = parameters.map(({ shape }) => shape);
  return [kind, values, shapes, meanings[kind]?.(options, inputShape)];
}

/** A convolution with one position, which sees the whole map, is a dense layer. */
function isDense({
  kind,
  options,
  inputShape,
  outputShape,
}: Pick<DescribedLayer, 'inputShape' | 'outputShape'> & { kind: string; options: Options }): boolean {
  const [, , height, width] = inputShape;
  const sees = (options['kernel'] as readonly number[] | undefined)?.join() === [height, width].join();
  return kind === 'conv2d' && options['groups'] === 1 && sees && elementCount(outputShape) === outputShape[1];
}
