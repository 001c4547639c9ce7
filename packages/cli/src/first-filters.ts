import type { HostTensor, NetworkDescription } from '@alex/tensor';
import { elementCount } from '@alex/tensor/kernels';

/**
 * The filters of a network's first layer, `[filters, channels, height, width]`: those of a convolution, or what each unit of a dense
 * layer answers to, which are filters as large as the image. Nothing where it has others, such as one for each place.
 */
export function firstFilters(
  { input, layers }: NetworkDescription,
  weights: Readonly<Record<string, HostTensor>>,
): HostTensor | undefined {
  const path = firstWeight(layers)?.path;
  const weight = path === undefined ? undefined : weights[path];
  if (weight?.shape.length === 4) return weight;
  if (weight?.shape.length === 2 && weight.shape[1] === elementCount(input)) {
    return { shape: [weight.shape[0]!, ...input], data: weight.data };
  }
  return undefined;
}

/** What the first layer that learns multiplies the image with. */
export function firstWeight(layers: NetworkDescription['layers']) {
  const [first] = layers.filter(({ parameters }) => parameters.length > 0);
  return first?.parameters.find(({ name }) => name === 'weight');
}
