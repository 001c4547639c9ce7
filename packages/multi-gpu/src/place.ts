import { softmaxCrossEntropy } from '@alex/loss';
import { sgd } from '@alex/optim';
import {
  type CompileOptions,
  ConfigError,
  compileNetwork,
  type Gpu,
  type Network,
  type NetworkDescription,
} from '@alex/tensor';

/** How a network is placed: {@link CompileOptions} with the paper's loss and optimizer where they are left out. */
export type PlaceOptions = Pick<CompileOptions, 'batch'> & Partial<CompileOptions>;

/**
 * Places a described network on the adapters at hand.
 *
 * On one adapter, a layer that reads its own column is computed for all columns at once, as a grouped layer. The loss is
 * softmax with multinomial logistic loss and the optimizer is SGD with the rate, momentum and decay of section 5 of the
 * paper, where they are left out.
 *
 * @throws ConfigError where no adapter is given, or more than one: columns on adapters of their own come with a later
 * version.
 */
export function place(description: NetworkDescription, gpus: readonly Gpu[], options: PlaceOptions): Network {
  const [gpu, ...others] = gpus;
  if (!gpu) throw new ConfigError('place: give it at least one adapter, as openGpu() opens it');
  if (others.length > 0) {
    throw new ConfigError(
      `place: this version places a network on one adapter, got ${gpus.length}; give it one of them`,
    );
  }
  return compileNetwork(description, gpu, { loss: softmaxCrossEntropy(), optimizer: sgd(), ...options });
}
