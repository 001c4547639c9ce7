import { softmaxCrossEntropy } from '@alex/loss';
import { sgd } from '@alex/optim';
import {
  type CompileOptions,
  ConfigError,
  compileNetwork,
  compileParts,
  type Gpu,
  type Network,
  type NetworkDescription,
} from '@alex/tensor';
import { planParts, type Strategy, strategies } from './parts.js';

/** How a network is placed: {@link CompileOptions} with the paper's loss and optimizer where they are left out. */
export type PlaceOptions = Pick<CompileOptions, 'batch'> &
  Partial<CompileOptions> & {
    /** How several adapters share the work; `model`, the paper's way, where it is left out. */
    readonly strategy?: Strategy;
    /** How many images of a batch each adapter takes, where they share them; about the same number where it is left out. */
    readonly images?: readonly number[] | undefined;
  };

/**
 * Places a described network on the adapters at hand.
 *
 * On one adapter, a layer that reads its own column is computed for all columns at once, as a grouped layer. On several,
 * each keeps some columns and they hand activities to each other before layers that read all columns, or they share the
 * images, as `strategy` says. The numbers are those of one adapter, but for the order of sums. The loss is softmax with
 * multinomial logistic loss and the optimizer is SGD with the rate, momentum and decay of section 5 of the paper, where they
 * are left out.
 *
 * @throws ConfigError where no adapter is given, one twice, or the network cannot be shared out over so many.
 */
export function place(description: NetworkDescription, gpus: readonly Gpu[], options: PlaceOptions): Network {
  const { strategy = 'model', images, ...given } = options;
  const compileOptions = { loss: softmaxCrossEntropy(), optimizer: sgd(), ...given };
  const [gpu, ...others] = gpus;
  if (!gpu) throw new ConfigError('place: give it at least one adapter, as openGpu() opens it');
  if (!strategies.includes(strategy)) {
    throw new ConfigError(`place: strategy must be ${strategies.join(', ')}, got ${String(strategy)}`);
  }
  if (others.length === 0) return compileNetwork(description, gpu, compileOptions);
  if (new Set(gpus).size < gpus.length) {
    throw new ConfigError('place: the same adapter was given twice; to share one out, open it twice');
  }
  checkBatch(description, options.batch);
  const parts = planParts(description, { adapters: gpus.length, batch: options.batch, strategy, images });
  return compileParts(
    description,
    parts.map((part, index) => ({ gpu: gpus[index]!, part })),
    compileOptions,
  );
}

function checkBatch({ name }: NetworkDescription, batch: number): void {
  if (Number.isInteger(batch) && batch >= 1) return;
  throw new ConfigError(`${name}: batch must be a whole number of at least 1, got ${batch}`);
}
