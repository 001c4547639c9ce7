import type { NetworkDescription } from '@alex/tensor';
import { formatShape } from '@alex/tensor/kernels';
import { describeModel } from './session.js';

/**
 * The first difference between two networks, from the image upwards, in words:
 * `conv1.weight is [64, 3, 11, 11] there and [96, 3, 11, 11] here`.
 *
 * @param there the variant of the given weights
 * @param here the requested variant
 */
export function differenceOf(there: string, here: string): string {
  const [one, other] = [there, here].map((variant) => describeModel({ variant, classes: 2 })) as [
    NetworkDescription,
    NetworkDescription,
  ];
  const count = Math.max(one.layers.length, other.layers.length);
  for (let index = 0; index < count; index++) {
    const [first, second] = [one.layers[index], other.layers[index]];
    if (first?.layer.name !== second?.layer.name) {
      return `${first?.layer.name ?? 'nothing'} is layer ${index + 1} there, ${second?.layer.name ?? 'nothing'} here`;
    }
    for (const [at, { path, shape }] of first!.parameters.entries()) {
      const own = second!.parameters[at]?.shape ?? [];
      if (formatShape(shape) !== formatShape(own)) {
        return `${path} is ${formatShape(shape)} there and ${formatShape(own)} here`;
      }
    }
  }
  return `images are ${formatShape(one.input)} there and ${formatShape(other.input)} here`;
}
