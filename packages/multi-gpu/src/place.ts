import { softmaxCrossEntropy } from '@alex/loss';
import { sgd } from '@alex/optim';
import { ConfigError, type Gpu, type NetworkDescription } from '@alex/tensor';
import { checkOptions, checkWholeNumber } from '@alex/tensor/kernels';
import {
  type CompileOptions,
  checkDescribed,
  compileNetwork,
  compileOptionNames,
  compileParts,
  type Network,
  type NetworkPart,
} from '@alex/tensor/network';
import { chooseStrategy } from './cost.js';
import { type PartOptions, planParts, type Strategy, strategies } from './parts.js';
import type { Rates } from './rates.js';

/** How a network is placed: {@link CompileOptions}. Default: the paper's loss and optimizer. */
export type PlaceOptions = Pick<CompileOptions, 'batch'> &
  Partial<CompileOptions> &
  Pick<PartOptions, 'images' | 'splitSums' | 'exchangeIn'> & {
    /** How several adapters share the work. Default: `model`, the paper's way. `auto` needs `rates`. */
    readonly strategy?: Strategy | 'auto';
    /** The rates from `measureRates`, from which `auto` chooses the strategy (see `chooseStrategy`). */
    readonly rates?: Rates | undefined;
  };

/** The names of the options that decide how adapters share the work. */
const sharingNames = ['strategy', 'images', 'splitSums', 'exchangeIn', 'rates'] as const;

/**
 * Places a described network on one or several adapters.
 *
 * One adapter computes a layer that reads its own column for all columns at once, as a grouped layer. Several adapters
 * each compute some columns and exchange activations before layers that read all columns, or they share the images,
 * depending on `strategy`. Results differ from those of one adapter only by the order of sums. By default, the loss is
 * softmax with multinomial logistic loss, and the optimizer is SGD with the learning rate, momentum and decay of
 * section 5 of the paper.
 *
 * @throws ConfigError if `gpus` is not an array or is empty, contains an adapter twice, or the network cannot be
 * divided among so many
 */
export function place(description: NetworkDescription, gpus: readonly Gpu[], options: PlaceOptions): Network {
  checkDescribed(description);
  checkOptions('place', options, [...compileOptionNames, ...sharingNames]);
  const { strategy = 'model', images, splitSums, exchangeIn, rates, ...given } = options;
  const compileOptions = { loss: softmaxCrossEntropy(), optimizer: sgd(), ...given };
  checkGpus('place', gpus);
  const [gpu, ...others] = gpus as readonly [Gpu, ...Gpu[]];
  if (strategy !== 'auto' && !strategies.includes(strategy)) {
    throw new ConfigError(`place: strategy must be ${strategies.join(', ')} or auto, got ${String(strategy)}`);
  }
  if (others.length === 0) return compileNetwork(description, gpu, compileOptions);
  if (new Set(gpus).size < gpus.length) {
    throw new ConfigError('place: the same adapter was given twice; to use one twice, open it twice');
  }
  checkWholeNumber(description.name, 'batch', options.batch);
  const parts = partsOn(description, gpus, { batch: options.batch, strategy, images, splitSums, exchangeIn, rates });
  return compileParts(
    description,
    parts.map((part, index) => ({ gpu: gpus[index]!, part })),
    compileOptions,
  );
}

/**
 * Each adapter's part of a network placed with these options.
 *
 * @throws ConfigError as `place` does
 */
export function partsOn(
  description: NetworkDescription,
  gpus: readonly Gpu[],
  options: Pick<PlaceOptions, 'batch' | (typeof sharingNames)[number]>,
): NetworkPart[] {
  checkDescribed(description);
  checkGpus('partsOn', gpus);
  checkOptions('partsOn', options, ['batch', ...sharingNames]);
  const { batch, strategy = 'model', images, splitSums, exchangeIn, rates } = options;
  checkExchange(gpus, exchangeIn);
  const chosen =
    strategy === 'auto' ? chooseStrategy(description, { batch, rates: ratesOf(gpus, rates) }) : { strategy, images };
  return planParts(description, {
    adapters: gpus.length,
    batch,
    splitSums,
    exchangeIn,
    software: gpus.some(({ description: { kind } }) => kind === 'software'),
    strategy: chosen.strategy,
    images: images ?? chosen.images,
  });
}

function checkGpus(owner: string, gpus: readonly Gpu[]): void {
  if (!Array.isArray(gpus))
    throw new ConfigError(`${owner}: give the adapters as an array: ${owner}(network, [gpu], { batch })`);
  if (gpus.length === 0 || gpus.some((one) => typeof one?.createBuffer !== 'function'))
    throw new ConfigError(`${owner}: give at least one adapter, opened by openGpu()`);
}

function checkExchange(gpus: readonly Gpu[], exchangeIn: PlaceOptions['exchangeIn']): void {
  if (exchangeIn === undefined) return;
  if (exchangeIn !== 'f16')
    throw new ConfigError(`place: exchangeIn must be f16 or omitted, got ${String(exchangeIn)}`);
  const without = gpus.find(({ features }) => !features.has('shader-f16'));
  if (!without) return;
  throw new ConfigError(
    `place: to exchange values in f16, all adapters need the feature shader-f16, which ${without.description.name} lacks; ` +
      'omit exchangeIn',
  );
}

function ratesOf(gpus: readonly Gpu[], rates: Rates | undefined): Rates {
  if (rates?.multiplyAddsPerSecond.length === gpus.length) return rates;
  throw new ConfigError(
    `place: the strategy auto needs measurements of the ${gpus.length} adapters; give them as rates: await measureRates(gpus)`,
  );
}
