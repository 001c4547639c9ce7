import type { HostTensor, NetworkDescription } from '@alex/tensor';
import { elementCount } from '@alex/tensor/kernels';

/**
 * The filters of a network's first layer, `[filters, channels, height, width]`: those of a convolution, or the weights of each
 * unit of a dense layer, as filters as large as the image. Undefined for other layers, such as those with filters for each
 * position.
 */
export function firstFilters(
  description: NetworkDescription,
  weights: Readonly<Record<string, HostTensor>>,
): HostTensor | undefined {
  const { input } = description;
  const path = firstWeight(description)?.path;
  const weight = path === undefined ? undefined : weights[path];
  if (weight?.shape.length === 4) return weight;
  if (weight?.shape.length === 2 && weight.shape[1] === elementCount(input)) {
    return { shape: [weight.shape[0]!, ...input], data: weight.data };
  }
  return undefined;
}

/** The weight of the first layer with parameters. */
export function firstWeight({ layers }: Pick<NetworkDescription, 'layers'>) {
  const [first] = layers.filter(({ parameters }) => parameters.length > 0);
  return first?.parameters.find(({ name }) => name === 'weight');
}
