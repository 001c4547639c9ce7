import {
  AlexError,
  ConfigError,
  type DescribedLayer,
  type Layer,
  type NetworkDescription,
  type Shape,
} from '@alex/tensor';
import { checkOneOf, checkOptions, checkWholeNumber, elementCount, formatShape } from '@alex/tensor/kernels';
import {
  checkDescribed,
  type NetworkPart,
  type PartLayer,
  type PartParameter,
  type PartState,
  pieceOf,
  type Range,
  type Spread,
} from '@alex/tensor/network';

/**
 * How adapters share a network's work. `model`: each has some columns of every layer, and all images. `data`: each has
 * the whole network, and some images. `hybrid`: as `data` up to the first layer that uses each weight once per image,
 * as fully connected layers do, and as `model` from there on.
 */
export const strategies = ['model', 'data', 'hybrid'] as const;
export type Strategy = (typeof strategies)[number];

export interface PartOptions {
  readonly adapters: number;
  /** Images per step. */
  readonly batch: number;
  readonly strategy: Strategy;
  /** How many images of a batch each adapter gets, if adapters share the images. Default: about the same number. */
  readonly images?: readonly number[] | undefined;
  /**
   * Whether a layer that gathers all maps below starts with the local maps while the others are in transit, and adds
   * both sums. Default: if it pays off, which it never does on software drivers, because they transfer values as fast
   * as they copy them.
   */
  readonly splitSums?: boolean | undefined;
  /**
   * `f16`: activations and their gradients are sent in 16 bits, which halves their bytes and rounds them to 11 bits;
   * values beyond 65,504 become infinite. Scores and weight gradients are always sent unchanged. Default: everything is
   * sent unchanged.
   */
  readonly exchangeIn?: 'f16' | undefined;
  /** Whether any of the adapters is a software driver. */
  readonly software?: boolean;
}

/**
 * How many values a GPU copies in the time that one value takes to arrive from another adapter: 500 GB/s against 10.
 */
const copiesInExchangeTime = 50;

/**
 * Plans each adapter's part of a network, so that all of them together compute the same as one.
 *
 * @throws ConfigError if an option is unknown or not allowed, or there are fewer columns, or images, than adapters
 */
export function planParts(description: NetworkDescription, options: PartOptions): NetworkPart[] {
  checkDescribed(description);
  checkOptions('planParts', options, [
    'adapters',
    'batch',
    'strategy',
    'images',
    'splitSums',
    'exchangeIn',
    'software',
  ]);
  const { adapters, batch, strategy } = options;
  checkWholeNumber('planParts', 'adapters', adapters);
  checkWholeNumber('planParts', 'batch', batch);
  checkOneOf('planParts', 'strategy', strategy, strategies);
  const images = strategy === 'model' ? undefined : imageRanges(description.name, options);
  return Array.from({ length: adapters }, (_, self): NetworkPart => {
    const planner = new Planner(description, options, images, self);
    const layers = description.layers.map((layer) => planner.add(layer));
    return {
      index: self,
      count: adapters,
      images: images?.[self] ?? { first: 0, count: batch },
      layers,
      ...(planner.spread && { scores: { ...planner.spread, sentAs: undefined } }),
    };
  });
}

function imageRanges(name: string, { adapters, batch, images }: PartOptions): Range[] {
  if (batch < adapters) {
    throw new ConfigError(
      `${name}: a batch of ${batch} cannot be divided among ${adapters} adapters; use a larger one`,
    );
  }
  if (!images) return rangesAt(Array.from({ length: adapters + 1 }, (_, end) => Math.ceil((batch * end) / adapters)));
  const total = Array.isArray(images) ? images.reduce((sum, count) => sum + count, 0) : Number.NaN;
  if (images.length !== adapters || total !== batch || images.some((count) => !Number.isInteger(count) || count < 1)) {
    throw new ConfigError(
      `${name}: images must be ${adapters} whole numbers of at least 1 that make a batch of ${batch}, got ${[images].flat().join(', ')}`,
    );
  }
  let end = 0;
  return rangesAt([0, ...images.map((count) => (end += count))]);
}

/** The ranges between successive ends. */
function rangesAt(ends: readonly number[]): Range[] {
  return ends.slice(1).map((end, index) => ({ first: ends[index]!, count: end - ends[index]! }));
}

/** Walks through a network from the image upwards, for one adapter. */
class Planner {
  /** How the output of the last layer is spread; undefined if every adapter has all of it. */
  spread: Spread | undefined;
  #learns = false;
  /** Whether layers are still shared by images. */
  #byImages: boolean;

  constructor(
    readonly description: NetworkDescription,
    readonly options: PartOptions,
    readonly images: readonly Range[] | undefined,
    readonly self: number,
  ) {
    this.#byImages = images !== undefined;
    if (images) this.spread = this.#overImages([1, ...description.input]);
  }

  add(described: DescribedLayer): PartLayer {
    if (this.options.strategy === 'hybrid' && usesWeightsOnce(described)) this.#byImages = false;
    const part = this.#byImages ? this.#withImages(described) : this.#withMaps(described);
    this.#learns ||= described.parameters.length > 0;
    return { ...part, ...(this.spread && { output: this.spread }) };
  }

  /** A whole layer, for some images. */
  #withImages({ layer, parameters, state, outputShape }: DescribedLayer): PartLayer {
    this.spread = this.#overImages(outputShape);
    const share = this.images![this.self]!.count / this.options.batch;
    return { layer, parameters, state: state.map((own) => ({ ...own, share })), sums: parameters.length > 0 };
  }

  /** Some maps of a layer, for all images. */
  #withMaps(described: DescribedLayer): PartLayer {
    const { layer, parameters } = described;
    // If every adapter computes the whole layer, all compute about the same state.
    const state = described.state.map((own): PartState => ({ ...own, share: 1 / this.options.adapters }));
    const below = this.spread;
    // Everything before the first learned layer is cheap, and every adapter has the images.
    if (!below && !this.#learns && parameters.length === 0) return { layer, parameters, state };
    const above = this.#overMaps(described);
    this.spread = above;
    const whole = this.#inBatch(described.inputShape);
    const share = cut(layer, above, this.self);
    const cutAt = (input: Shape) => share && shareOf(described, share, input, above, this.self);
    // Its own maps of the input are enough if the share does with them what the whole layer does.
    const own = below ? pieceOf(below, this.self).shape : ownMaps(whole, this.#ends(whole[1]!)[this.self]!);
    const enough = below?.over !== 'images' ? cutAt(own) : undefined;
    const withAll = cutAt(whole);
    if (below) {
      if (enough) return enough;
      if (withAll && parameters.length > 0) {
        return {
          ...withAll,
          gathers: below,
          splits: this.#splits(withAll, below, above),
        };
      }
      if (parameters.length === 0) return { layer, parameters, state, gathers: below, spreads: above };
    } else {
      if (withAll) return withAll;
      if (enough) return { ...enough, reads: this.#ends(whole[1]!)[this.self]! };
    }
    throw new ConfigError(
      `${this.description.name}: ${layer.name} cannot be divided among ${this.options.adapters} adapters; use ` +
        "the strategy 'data'",
    );
  }

  #splits({ layer, parameters, state = [] }: PartLayer, below: Spread, above: Spread): boolean {
    const { splitSums, software = false } = this.options;
    if (below.over === 'images' || !layer.sumsOverInput || state.length > 0 || splitSums === false) return false;
    if (splitSums) return true;
    // The values that it copies: the weights once, and each sum twice.
    const weights = parameters.reduce((sum, { shape }) => sum + elementCount(shape), 0);
    const copied = 2 * weights + 2 * this.options.adapters * elementCount(pieceOf(above, this.self).shape);
    const travelling = elementCount(below.shape) - elementCount(pieceOf(below, this.self).shape);
    return !software && copied < travelling * copiesInExchangeTime;
  }

  #overImages(shape: Shape): Spread {
    return { shape: this.#inBatch(shape), over: 'images', ranges: this.images!, sentAs: this.options.exchangeIn };
  }

  #overMaps({ layer, outputShape }: DescribedLayer): Spread {
    const ranges = this.#ends(outputShape[1]!);
    if (ranges.some(({ count }) => count < 1)) {
      throw new ConfigError(
        `${this.description.name}: ${layer.name} has ${outputShape[1]} maps or units, too few for ` +
          `${this.options.adapters} adapters`,
      );
    }
    return { shape: this.#inBatch(outputShape), over: 'maps', ranges, sentAs: this.options.exchangeIn };
  }

  /** Whole columns for each adapter, if there are enough of them. */
  #ends(maps: number): Range[] {
    const { adapters } = this.options;
    const { columns } = this.description;
    const shareBefore = (adapter: number) =>
      columns < adapters ? adapter / adapters : Math.ceil((columns * adapter) / adapters) / columns;
    return rangesAt(Array.from({ length: adapters + 1 }, (_, adapter) => Math.round(maps * shareBefore(adapter))));
  }

  #inBatch([, ...rest]: Shape): Shape {
    return [this.options.batch, ...rest];
  }
}

/**
 * Whether a layer uses each weight once per image. If so, exchanging its activations is cheaper than exchanging its
 * weights.
 */
function usesWeightsOnce({ layer, inputShape, parameters }: DescribedLayer): boolean {
  const weights = parameters.filter(({ decays }) => decays).reduce((sum, { shape }) => sum + elementCount(shape), 0);
  return weights > 0 && layer.multiplyAdds(inputShape) === weights;
}

function ownMaps([images, , ...rest]: Shape, { count }: Range): Shape {
  return [images!, count, ...rest];
}

/** The share of a layer that computes an adapter's maps, if there is one. */
function cut(layer: Layer, { shape, ranges }: Spread, self: number): Layer | undefined {
  const { first, count } = ranges[self]!;
  return attempt(() => layer.column({ index: first, count: shape[1]!, span: count }));
}

/**
 * An adapter's part of a layer, if with this input its share computes the adapter's maps from ranges of the layer's
 * parameters and state. State of the same size in the share as in the layer is kept whole, and its values are averaged.
 */
function shareOf(
  { parameters, state }: DescribedLayer,
  share: Layer,
  input: Shape,
  spread: Spread,
  self: number,
): PartLayer | undefined {
  const output = attempt(() => share.outputShape(input));
  if (!output || formatShape(output) !== formatShape(pieceOf(spread, self).shape)) return undefined;
  const maps = spread.shape[1]!;
  const { first, count } = spread.ranges[self]!;
  const ownParameters = shapesOf(share.parameters(input));
  const ownState = shapesOf(share.state?.(input) ?? []);
  const slice = <Whole extends { readonly name: string; readonly shape: Shape }>(
    whole: Whole,
    shape = whole.shape,
  ): (Whole & Pick<PartParameter, 'slice'>) | undefined => {
    const axes = [...whole.shape.keys()].filter((axis) => shape[axis] !== whole.shape[axis]);
    const [axis = 0] = axes;
    const size = whole.shape[axis]!;
    if (axes.length !== 1 || shape.length !== whole.shape.length) return undefined;
    if (shape[axis]! * maps !== size * count || (size * first) % maps !== 0) return undefined;
    return {
      ...whole,
      shape,
      slice: { axis, first: (size * first) / maps, wholeShape: whole.shape },
    };
  };
  const cutParameters = parameters.map((whole) => slice(whole, ownParameters.get(whole.name)));
  const cutState = state.map((whole): PartState | undefined => {
    const shape = ownState.get(whole.name) ?? whole.shape;
    if (formatShape(shape) === formatShape(whole.shape)) return { ...whole, share: 1 / spread.ranges.length };
    return slice(whole, shape);
  });
  if (!areAllThere(cutParameters) || !areAllThere(cutState)) return undefined;
  return { layer: share, parameters: cutParameters, state: cutState };
}

function shapesOf(described: readonly { readonly name: string; readonly shape: Shape }[]): Map<string, Shape> {
  return new Map(described.map(({ name, shape }) => [name, shape]));
}

function areAllThere<Value>(values: readonly (Value | undefined)[]): values is readonly Value[] {
  return values.every((value) => value !== undefined);
}

/** A refusal is not an error if there are alternatives. */
export function attempt<Result>(work: () => Result): Result | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof AlexError) return undefined;
    throw error;
  }
}
