import { place } from '@alex/multi-gpu';
import type { Gpu, HostTensor, NetworkDescription } from '@alex/tensor';

/** The outputs of a network on an adapter, before the softmax. */
export async function forward(
  gpu: Gpu,
  description: NetworkDescription,
  parameters: Readonly<Record<string, HostTensor>>,
  images: HostTensor,
): Promise<HostTensor> {
  const network = place(description, [gpu], { batch: images.shape[0]!, training: false });
  try {
    network.loadParameters(parameters);
    return await network.forward(images);
  } finally {
    network.dispose();
  }
}
