import type { DataType } from '../kernel/tensor.js';
import { elementCount, type Shape } from '../shape.js';
import type { DescribedLayer, DescribedState, NetworkDescription } from './description.js';
import type { Layer } from './layer.js';
import type { LearnedParameter } from './optimizer.js';

/** Some neighbours among maps or images. */
export interface Range {
  readonly first: number;
  readonly count: number;
}

/** How an activation is spread over adapters. */
export interface Spread {
  /** The shape of all of it, `[N, ...]`. */
  readonly shape: Shape;
  /** Whether an adapter holds some maps of every image, or every map of some images. */
  readonly over: 'maps' | 'images';
  /** Which ones each adapter holds, by its number. */
  readonly ranges: readonly Range[];
  /** How values are stored on their way. Default: as they are at home. */
  readonly sentAs?: DataType | undefined;
}

/** What an adapter keeps of some values: all of them, or a range along one axis. */
export interface Kept {
  readonly shape: Shape;
  readonly slice?: { readonly axis: number; readonly first: number; readonly wholeShape: Shape };
}

/** A parameter as an adapter keeps it. */
export interface PartParameter extends LearnedParameter, Kept {}

/** A layer's state as an adapter keeps it. */
export interface PartState extends DescribedState, Kept {
  /** Where every adapter has all of it: the weight of this adapter's values in the mean. Weights of all adapters add up to 1. */
  readonly share?: number;
}

/** What an adapter does of a layer. */
export interface PartLayer {
  readonly layer: Layer;
  readonly parameters: readonly PartParameter[];
  /** Default: none. */
  readonly state?: readonly PartState[];
  /** How the input is spread, where the layer needs all of it: the adapters hand it to each other first. */
  readonly gathers?: Spread;
  /**
   * Whether the layer, which must sum over its input, begins with what is at home while the rest is on its way, and adds up.
   */
  readonly splits?: boolean;
  /** The input is all there, but these maps of it are all that is read. Only of the lowest layers. */
  readonly reads?: Range;
  /** How the output is to be spread, where every adapter makes all of it. */
  readonly spreads?: Spread;
  /** How what goes on to the layer above is spread, where not every adapter has all of it. */
  readonly output?: Spread;
  /** Whether adapters have the same parameters and other images, so that gradients are to be added up. */
  readonly sums?: boolean;
}

/** What one of several adapters does of a network. */
export interface NetworkPart {
  /** The number of the adapter, and how many there are. */
  readonly index: number;
  readonly count: number;
  /** Which images of the batch it is given. */
  readonly images: Range;
  /** From the image upwards. */
  readonly layers: readonly PartLayer[];
  /** How the scores are spread, where not every adapter has all of them. */
  readonly scores?: Spread;
}

/** All of a network: what its only adapter does. */
export function wholePart({ layers }: NetworkDescription, batch: number): NetworkPart {
  return { index: 0, count: 1, images: { first: 0, count: batch }, layers: layers.map(wholeLayer) };
}

function wholeLayer({ layer, parameters, state }: DescribedLayer): PartLayer {
  return { layer, parameters, state };
}

/** All parameters of a part, from the image upwards. */
export function partParameters({ layers }: NetworkPart): PartParameter[] {
  return layers.flatMap(({ parameters }) => parameters);
}

/** The state of all layers of a part, from the image upwards. */
export function partState({ layers }: NetworkPart): PartState[] {
  return layers.flatMap(({ state = [] }) => state);
}

/** What an adapter keeps of a parameter's values: all of what is not shared out. */
export function sliceOf(whole: Float32Array, parameter: Kept | undefined): Float32Array {
  if (!parameter?.slice) return whole;
  const { shape, slice } = parameter;
  const values = new Float32Array(elementCount(shape));
  eachRun(shape, slice, (inWhole, inSlice, length) => {
    values.set(whole.subarray(inWhole, inWhole + length), inSlice);
  });
  return values;
}

/** Puts what an adapter keeps of a parameter's values where it belongs. */
export function putSlice(whole: Float32Array, parameter: Kept | undefined, values: Float32Array): void {
  if (!parameter?.slice) {
    whole.set(values);
    return;
  }
  eachRun(parameter.shape, parameter.slice, (inWhole, inSlice, length) => {
    whole.set(values.subarray(inSlice, inSlice + length), inWhole);
  });
}

/** Calls back with where each run of neighbours begins, in the whole and in the slice, and how long all of them are. */
function eachRun(
  shape: Shape,
  { axis, first, wholeShape }: NonNullable<Kept['slice']>,
  callback: (inWhole: number, inSlice: number, length: number) => void,
): void {
  const inner = elementCount(shape.slice(axis + 1));
  const length = shape[axis]! * inner;
  for (let outer = 0; outer < elementCount(shape.slice(0, axis)); outer++) {
    callback((outer * wholeShape[axis]! + first) * inner, outer * length, length);
  }
}
