import { ConfigError, type NetworkDescription } from '@alex/tensor';
import { checkOptions, checkPositive, checkWholeNumber, elementCount } from '@alex/tensor/kernels';
import { checkDescribed, type NetworkPart, type PartLayer, pieceOf, type Spread } from '@alex/tensor/network';
import { attempt, planParts, type Strategy, strategies } from './parts.js';
import { checkRates, type Rates } from './rates.js';

/** The predicted time of a step for one way of sharing the network. */
export interface Prediction {
  readonly strategy: Strategy;
  /** How many images of a batch each adapter computes, if adapters share the images. */
  readonly images?: readonly number[];
  readonly seconds: number;
  /** The part of it that the slowest adapter spends computing. */
  readonly computeSeconds: number;
  /** Bytes that all adapters send in total. */
  readonly exchangedBytes: number;
}

export interface PredictionOptions {
  /** Images per step. */
  readonly batch: number;
  readonly rates: Rates;
}

/** Bytes of an exchanged value, without conversion. */
const valueBytes = 4;

const bytesOfValue = ({ sentAs }: Spread) => (sentAs === 'f16' ? 2 : valueBytes);

/**
 * Predicts the time of a step for each strategy that suits the network, fastest first. It counts products (once
 * forward, twice backward), and the part of the exchange that does not overlap with computation. Activations do not
 * overlap with anything; their gradients overlap with the layer's weight gradients; summed gradients overlap with all
 * layers below.
 *
 * @throws ConfigError for an option that is unknown or not allowed
 */
export function predictSteps(description: NetworkDescription, options: PredictionOptions): Prediction[] {
  checkOptions('predictSteps', options, ['batch', 'rates']);
  const { batch, rates } = options;
  checkWholeNumber('predictSteps', 'batch', batch);
  checkRates('predictSteps', rates);
  const adapters = rates.multiplyAddsPerSecond.length;
  const images = imagesByRate(batch, rates.multiplyAddsPerSecond);
  const predictions = strategies.flatMap((strategy): Prediction[] => {
    const shares = strategy === 'model' ? {} : { images };
    const parts = attempt(() => planParts(description, { adapters, batch, strategy, ...shares }));
    return parts ? [{ strategy, ...shares, ...predict(description, parts, options) }] : [];
  });
  return predictions.sort((a, b) => a.seconds - b.seconds);
}

/**
 * The predicted time of a step on a single adapter, in seconds.
 *
 * @throws ConfigError for what is no description, or a number that is not above 0
 */
export function predictAlone(description: NetworkDescription, batch: number, multiplyAddsPerSecond: number): number {
  checkDescribed(description);
  checkWholeNumber('predictAlone', 'batch', batch);
  checkPositive('predictAlone', 'multiplyAddsPerSecond', multiplyAddsPerSecond);
  const { layers } = description;
  const products = layers.reduce((sum, { layer, inputShape }) => sum + layer.multiplyAdds(inputShape), 0);
  const [lowest] = layers.filter(({ parameters }) => parameters.length > 0);
  const unneeded = lowest ? lowest.layer.multiplyAdds(lowest.inputShape) : 0;
  return (batch * (3 * products - unneeded)) / multiplyAddsPerSecond;
}

/**
 * The strategy that should be fastest, with a reason for humans.
 *
 * @throws ConfigError for an option that is unknown or not allowed, or if the network cannot be divided among the adapters
 */
export function chooseStrategy(
  description: NetworkDescription,
  options: PredictionOptions,
): Pick<Prediction, 'strategy' | 'images'> & { readonly why: string } {
  const predictions = predictSteps(description, options);
  const { batch, rates } = options;
  const [best] = predictions;
  if (!best)
    throw new ConfigError(
      `${description.name}: cannot be divided among ${rates.multiplyAddsPerSecond.length} adapters`,
    );
  const { strategy, images } = best;
  const short = (value: number) => value.toLocaleString('en-US', { maximumSignificantDigits: 3 });
  const milliseconds = (seconds: number) => `${short(1000 * seconds)} ms`;
  const each = predictions.map(
    ({ strategy, images, seconds, computeSeconds, exchangedBytes }) =>
      `${strategy}${images ? ` (${images.join(' + ')} images)` : ''} ${milliseconds(seconds)} (` +
      `${milliseconds(computeSeconds)} of products, ${short(exchangedBytes / 1e6)} MB exchanged)`,
  );
  const fastest = Math.max(...rates.multiplyAddsPerSecond);
  const speeds = rates.multiplyAddsPerSecond.map((rate) => short(rate / 1e9)).join(' and ');
  const why =
    `${speeds} billion multiply-adds per second, ${short(rates.exchangeBytesPerSecond / 1e9)} GB/s each way; predicted ` +
    `time of a step: ${each.join('; ')}; the faster adapter alone ${milliseconds(predictAlone(description, batch, fastest))}`;
  return { strategy, ...(images && { images }), why };
}

/** Images in proportion to the rates, at least one for each adapter. */
export function imagesByRate(batch: number, rates: readonly number[]): number[] {
  const total = rates.reduce((sum, rate) => sum + rate, 0);
  const ends = rates.map((_, index) => {
    const before = rates.slice(0, index + 1).reduce((sum, rate) => sum + rate, 0);
    const [least, most] = [index + 1, batch - (rates.length - 1 - index)];
    return Math.min(most, Math.max(least, Math.round((batch * before) / total)));
  });
  // If an adapter needed its minimum of one image, those after it move up.
  for (let index = 1; index < ends.length; index++) ends[index] = Math.max(ends[index]!, ends[index - 1]! + 1);
  return ends.map((end, index) => end - (ends[index - 1] ?? 0));
}

function predict(
  { layers }: NetworkDescription,
  parts: readonly NetworkPart[],
  { batch, rates }: PredictionOptions,
): Pick<Prediction, 'seconds' | 'computeSeconds' | 'exchangedBytes'> {
  const lowest = layers.findIndex(({ parameters }) => parameters.length > 0);
  let exchangedBytes = 0;
  let computeSeconds = 0;
  /** Time of an exchange in seconds, from the bytes that each adapter sends. */
  const exchange = (sentBytes: readonly number[]) => {
    exchangedBytes += sentBytes.reduce((sum, bytes) => sum + bytes, 0);
    return rates.exchangeSeconds + Math.max(...sentBytes) / rates.exchangeBytesPerSecond;
  };
  /** Seconds for one product of a layer on the slowest adapter. */
  const productSeconds = layers.map(({ layer, inputShape }, index) =>
    Math.max(
      ...parts.map(({ images, layers: own }, adapter) => {
        const share = shareOf(own[index]!) * (own[index]!.sums ? images.count : batch);
        return (share * layer.multiplyAdds(inputShape)) / rates.multiplyAddsPerSecond[adapter]!;
      }),
    ),
  );
  let now = 0;
  for (const [index, seconds] of productSeconds.entries()) {
    const { gathers } = parts[0]!.layers[index]!;
    if (gathers) now += exchange(sentBytes(gathers));
    now += seconds;
    computeSeconds += seconds;
  }
  const [{ scores }] = parts as [NetworkPart, ...NetworkPart[]];
  if (scores) now += exchange(sentBytes(scores));
  /** When the last of the summed gradients has arrived. */
  let arrived = 0;
  for (let index = layers.length - 1; index >= lowest; index--) {
    const seconds = productSeconds[index]!;
    const { gathers, sums, parameters } = parts[0]!.layers[index]!;
    const inputGradient = index > lowest ? seconds : 0;
    computeSeconds += inputGradient + seconds;
    now += inputGradient;
    const travelling = gathers && index > lowest ? exchange(receivedBytes(gathers)) : 0;
    now += Math.max(seconds, travelling);
    if (!sums) continue;
    const bytes = valueBytes * parameters.reduce((sum, { shape }) => sum + elementCount(shape), 0);
    arrived = Math.max(arrived, now) + exchange(parts.map(() => bytes * (parts.length - 1)));
  }
  return { seconds: Math.max(now, arrived), computeSeconds, exchangedBytes };
}

/** The fraction of a layer's products that an adapter computes for each image. */
function shareOf({ parameters }: PartLayer): number {
  const slice = parameters.find((parameter) => parameter.slice)?.slice;
  const own = parameters.find((parameter) => parameter.slice);
  return slice && own ? own.shape[slice.axis]! / slice.wholeShape[slice.axis]! : 1;
}

/** Bytes that each adapter sends so that every adapter gets the whole activation. */
function sentBytes(spread: Spread): number[] {
  return spread.ranges.map(
    (_, adapter) => bytesOfValue(spread) * (spread.ranges.length - 1) * elementCount(pieceOf(spread, adapter).shape),
  );
}

/** Bytes that each adapter sends so that every adapter gets the sum of its piece. */
function receivedBytes(spread: Spread): number[] {
  const pieces = spread.ranges.map((_, adapter) => bytesOfValue(spread) * elementCount(pieceOf(spread, adapter).shape));
  const all = pieces.reduce((sum, bytes) => sum + bytes, 0);
  return pieces.map((own) => all - own);
}
