import type { DataType } from '../kernel/tensor.js';
import { elementCount, type Shape } from '../shape.js';
import type { DescribedLayer, DescribedState, NetworkDescription } from './description.js';
import type { Layer } from './layer.js';
import type { LearnedParameter } from './optimizer.js';

/** A range of consecutive maps or images. */
export interface Range {
  readonly first: number;
  readonly count: number;
}

/** How an activation is distributed over adapters. */
export interface Spread {
  /** The shape of the whole activation, `[N, ...]`. */
  readonly shape: Shape;
  /** Whether an adapter has some maps of every image, or every map of some images. */
  readonly over: 'maps' | 'images';
  /** The range of each adapter, by its number. */
  readonly ranges: readonly Range[];
  /** The data type of values in transit. Default: as they are stored. */
  readonly sentAs?: DataType | undefined;
}

/** The part of some values that an adapter has: all of them, or a range along one axis. */
export interface Kept {
  readonly shape: Shape;
  readonly slice?: { readonly axis: number; readonly first: number; readonly wholeShape: Shape };
}

/** An adapter's part of a parameter. */
export interface PartParameter extends LearnedParameter, Kept {}

/** An adapter's part of a layer's state. */
export interface PartState extends DescribedState, Kept {
  /**
   * If every adapter has all of it: the weight of this adapter's values in the mean. The weights of all adapters sum to
   * 1.
   */
  readonly share?: number;
}

/** An adapter's part of a layer. */
export interface PartLayer {
  readonly layer: Layer;
  readonly parameters: readonly PartParameter[];
  /** Default: none. */
  readonly state?: readonly PartState[];
  /** How the input is spread, if the layer needs all of it: the adapters exchange it first. */
  readonly gathers?: Spread;
  /**
   * Whether the layer, which must sum over its input, starts with the local values while the others are in transit, and
   * adds the sums.
   */
  readonly splits?: boolean;
  /** Only these maps of the complete input are read. Only in the lowest layers. */
  readonly reads?: Range;
  /** How to spread the output, if every adapter computes all of it. */
  readonly spreads?: Spread;
  /** How the output for the layer above is spread, if not every adapter has all of it. */
  readonly output?: Spread;
  /** Whether adapters have the same parameters but different images, so that gradients have to be summed. */
  readonly sums?: boolean;
}

/** One adapter's part of a network. */
export interface NetworkPart {
  /** The number of the adapter, and how many there are. */
  readonly index: number;
  readonly count: number;
  /** Its images of the batch. */
  readonly images: Range;
  /** From the image upwards. */
  readonly layers: readonly PartLayer[];
  /** How the scores are spread, if not every adapter has all of them. */
  readonly scores?: Spread;
}

/** The whole network, as the part of its only adapter. */
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

/** An adapter's part of a parameter's values; all of them, if they are not divided. */
export function sliceOf(whole: Float32Array, parameter: Kept | undefined): Float32Array {
  if (!parameter?.slice) return whole;
  const { shape, slice } = parameter;
  const values = new Float32Array(elementCount(shape));
  eachRun(shape, slice, (inWhole, inSlice, length) => {
    values.set(whole.subarray(inWhole, inWhole + length), inSlice);
  });
  return values;
}

/** Copies an adapter's part of a parameter's values to its position in the whole. */
export function putSlice(whole: Float32Array, parameter: Kept | undefined, values: Float32Array): void {
  if (!parameter?.slice) {
    whole.set(values);
    return;
  }
  eachRun(parameter.shape, parameter.slice, (inWhole, inSlice, length) => {
    whole.set(values.subarray(inSlice, inSlice + length), inWhole);
  });
}

/**
 * Calls back with the start of each contiguous run, in the whole and in the slice, and with the length that all runs
 * have.
 */
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
