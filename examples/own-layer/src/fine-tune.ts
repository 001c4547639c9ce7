import { place } from '@alex/multi-gpu';
import { adam, frozen, sgd } from '@alex/optim';
import type { Gpu, HostTensor } from '@alex/tensor';
import { gratings } from './gratings.js';
import { ownNetwork } from './network.js';

const batch = 16;

/** Trains with Adam. Returns the parameters and running statistics, by dotted name. */
export async function trainWithAdam(gpu: Gpu, steps: number): Promise<Record<string, HostTensor>> {
  const network = place(ownNetwork, [gpu], { batch, optimizer: adam({ learningRate: 0.01 }) });
  for (let step = 0; step < steps; step++) {
    const { images, labels } = gratings(batch, step);
    await network.step(images, labels);
  }
  const learnt = { ...(await network.parameters()), ...(await network.layerState()) };
  network.dispose();
  return learnt;
}

/** The output of the layer `pool1` for some images: 32 numbers each, which distinguish the classes. */
export async function featuresOf(
  gpu: Gpu,
  weights: Record<string, HostTensor>,
  images: HostTensor,
): Promise<HostTensor> {
  const network = place(ownNetwork, [gpu], { batch: images.shape[0]!, training: false });
  network.loadParameters(weights);
  const features = await network.features(images, 'pool1');
  network.dispose();
  return features;
}

/** Continues from trained weights with all layers frozen except the last. */
export async function fineTune(
  gpu: Gpu,
  weights: Record<string, HostTensor>,
  steps: number,
): Promise<Record<string, HostTensor>> {
  const optimizer = sgd({ learningRate: 0.05, overrides: frozen('conv1', 'norm1') });
  const network = place(ownNetwork, [gpu], { batch, optimizer });
  network.loadParameters(weights);
  for (let step = 0; step < steps; step++) {
    const { images, labels } = gratings(batch, 1000 + step);
    await network.step(images, labels);
  }
  const tuned = await network.parameters();
  network.dispose();
  return tuned;
}
