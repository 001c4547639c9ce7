import { fusesIntoProducts } from '../kernel/epilogue.js';
import { hasFewElements } from '../kernel/joined-kernels.js';
import type { Recorder } from '../kernel/recorder.js';
import type { Tensor } from '../kernel/tensor.js';
import type { NetworkTensors, ProgramOptions } from './network-tensors.js';
import type { OptimizerValues } from './optimizer.js';
import { type NetworkPart, partParameters } from './part.js';
import type { Learning } from './record.js';

/** Updates parameters by their gradients, which are those of a scaled loss if a factor is given. */
export function learner(
  recorder: Recorder,
  part: NetworkPart,
  { optimizer }: ProgramOptions,
  tensors: NetworkTensors,
): (gradientFactor?: Tensor) => Learning {
  const byPath = new Map(partParameters(part).map((parameter) => [parameter.path, parameter]));
  return (gradientFactor) => {
    const valuesOf = (path: string): OptimizerValues => ({
      description: byPath.get(path)!,
      parameter: tensors.parameters.get(path)!,
      state: Object.fromEntries(optimizer.state.map((name) => [name, tensors.state.get(`${path}.${name}`)!])),
      ...(gradientFactor && { gradientFactor }),
    });
    return {
      learn: (path, gradient) => optimizer.record(recorder, { ...valuesOf(path), gradient }),
      ...onTheSpot(recorder, tensors, (path) => optimizer.update?.(valuesOf(path))),
    };
  };
}

/**
 * Lets layers apply updates on GPUs, except for small parameters, which are better updated together. On software drivers, any
 * operation after a product's loop is expensive.
 */
export function onTheSpot(
  recorder: Recorder,
  { parameters }: NetworkTensors,
  updateOf: NonNullable<Learning['updateOf']>,
): Pick<Learning, 'updateOf'> {
  if (!fusesIntoProducts(recorder.gpu)) return {};
  return { updateOf: (path) => (hasFewElements(recorder, parameters.get(path)!) ? undefined : updateOf(path)) };
}
