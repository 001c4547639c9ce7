import { ConfigError, type NetworkDescription } from '@alex/tensor';
import { elementCount } from '@alex/tensor/kernels';
import { type NetworkPart, type PartLayer, pieceOf, type Spread } from '@alex/tensor/network';
import { attempt, planParts, type Strategy, strategies } from './parts.js';
import type { Rates } from './rates.js';

/** What a step should take if adapters share it so. */
export interface Prediction {
  readonly strategy: Strategy;
  /** How many images of a batch each adapter takes, where they share them. */
  readonly images?: readonly number[];
  readonly seconds: number;
  /** Of them those that the adapter that takes longest computes. */
  readonly computeSeconds: number;
  /** What all adapters together send. */
  readonly exchangedBytes: number;
}

export interface PredictionOptions {
  /** Images a step. */
  readonly batch: number;
  readonly rates: Rates;
}

/** Bytes of a value that is exchanged as it is. */
const valueBytes = 4;

const bytesOfValue = ({ sentAs }: Spread) => (sentAs === 'f16' ? 2 : valueBytes);

/**
 * Predicts what a step takes by each strategy that the network can be shared by, the fastest first. Counted are products (once forward, twice backward), and
 * what adapters hand to each other as far as nothing is computed meanwhile: nothing beside an activation, the gradients of a
 * layer's weights beside that of its input, all that lies below beside gradients that are added up.
 */
export function predictSteps(description: NetworkDescription, options: PredictionOptions): Prediction[] {
  const { batch, rates } = options;
  const adapters = rates.multiplyAddsPerSecond.length;
  const images = imagesByRate(batch, rates.multiplyAddsPerSecond);
  const predictions = strategies.flatMap((strategy): Prediction[] => {
    const shares = strategy === 'model' ? {} : { images };
    const parts = attempt(() => planParts(description, { adapters, batch, strategy, ...shares }));
    return parts ? [{ strategy, ...shares, ...predict(description, parts, options) }] : [];
  });
  return predictions.sort((a, b) => a.seconds - b.seconds);
}

/** What a step should take on one adapter alone. */
export function predictAlone({ layers }: NetworkDescription, batch: number, multiplyAddsPerSecond: number): number {
  const products = layers.reduce((sum, { layer, inputShape }) => sum + layer.multiplyAdds(inputShape), 0);
  const [lowest] = layers.filter(({ parameters }) => parameters.length > 0);
  const unneeded = lowest ? lowest.layer.multiplyAdds(lowest.inputShape) : 0;
  return (batch * (3 * products - unneeded)) / multiplyAddsPerSecond;
}

/** Which strategy should be the fastest, and why, for people. */
export function chooseStrategy(
  description: NetworkDescription,
  options: PredictionOptions,
): Pick<Prediction, 'strategy' | 'images'> & { readonly why: string } {
  const { batch, rates } = options;
  const predictions = predictSteps(description, options);
  const [best] = predictions;
  if (!best)
    throw new ConfigError(
      `${description.name}: cannot be shared out over ${rates.multiplyAddsPerSecond.length} adapters`,
    );
  const { strategy, images } = best;
  const short = (value: number) => value.toLocaleString('en-US', { maximumSignificantDigits: 3 });
  const milliseconds = (seconds: number) => `${short(1000 * seconds)} ms`;
  const each = predictions.map(
    ({ strategy, images, seconds, computeSeconds, exchangedBytes }) =>
      `${strategy}${images ? ` (${images.join(' + ')} images)` : ''} ${milliseconds(seconds)}, of it ` +
      `${milliseconds(computeSeconds)} of products, exchanging ${short(exchangedBytes / 1e6)} MB`,
  );
  const fastest = Math.max(...rates.multiplyAddsPerSecond);
  const speeds = rates.multiplyAddsPerSecond.map((rate) => short(rate / 1e9)).join(' and ');
  const why =
    `${speeds} billion multiply-adds per second, ${short(rates.exchangeBytesPerSecond / 1e9)} GB/s each way; a step ` +
    `should take by ${each.join('; by ')}; on the faster adapter alone ${milliseconds(predictAlone(description, batch, fastest))}`;
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
  // Where one had to get its image, those after it move up.
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
  /** Seconds for what one adapter sends, when all send as much or less. */
  const exchange = (sentBytes: readonly number[]) => {
    exchangedBytes += sentBytes.reduce((sum, bytes) => sum + bytes, 0);
    return rates.exchangeSeconds + Math.max(...sentBytes) / rates.exchangeBytesPerSecond;
  };
  /** Seconds of one product of a layer on the adapter that takes longest. */
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
  /** When the last of the gradients that are added up has arrived. */
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

/** Which share of a layer's products an adapter computes of each image. */
function shareOf({ parameters }: PartLayer): number {
  const slice = parameters.find((parameter) => parameter.slice)?.slice;
  const own = parameters.find((parameter) => parameter.slice);
  return slice && own ? own.shape[slice.axis]! / slice.wholeShape[slice.axis]! : 1;
}

/** What each adapter sends when all are to have all of an activation. */
function sentBytes(spread: Spread): number[] {
  return spread.ranges.map(
    (_, adapter) => bytesOfValue(spread) * (spread.ranges.length - 1) * elementCount(pieceOf(spread, adapter).shape),
  );
}

/** What each adapter sends when each is to have what all add to its piece. */
function receivedBytes(spread: Spread): number[] {
  const pieces = spread.ranges.map((_, adapter) => bytesOfValue(spread) * elementCount(pieceOf(spread, adapter).shape));
  const all = pieces.reduce((sum, bytes) => sum + bytes, 0);
  return pieces.map((own) => all - own);
}
