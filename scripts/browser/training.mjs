// Trains the small network on fixed values, in Node or in a page: both must compute the same bits.
import { alexnet } from '@alex/model-alexnet';
import { place } from '@alex/multi-gpu';
import { sgd } from '@alex/optim';
import { openGpu } from '@alex/tensor';
import { randomTensor } from '@alex/tensor/testing';

const batch = 2;

/**
 * The loss of each of 50 steps, and a hash of all parameters after the last one.
 *
 * @returns also the number of timers that the steps waited for: browsers slow timers down in hidden tabs
 */
export default async function train({ steps = 50 } = {}) {
  const gpu = await openGpu({ adapter: 'SwiftShader' });
  const description = alexnet({ variant: 'small', classes: 10 });
  const optimizer = sgd({ learningRate: 0.02, momentum: 0.9, weightDecay: 5e-4 });
  const network = place(description, [gpu], { batch, seed: 1, optimizer });
  const losses = [];
  const before = globalThis.setTimeout;
  let timers = 0;
  globalThis.setTimeout = (...rest) => {
    timers++;
    return before(...rest);
  };
  try {
    for (let step = 0; step < steps; step++) {
      const images = randomTensor([batch, ...description.input], step);
      const labels = Uint32Array.from({ length: batch }, (_, image) => (7 * step + 3 * image) % 10);
      const { loss } = await network.step(images, labels);
      losses.push(loss);
    }
  } finally {
    globalThis.setTimeout = before;
  }
  const parameters = Object.entries(await network.parameters());
  const values = new Blob(parameters.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { data }]) => data));
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', await values.arrayBuffer()));
  network.dispose();
  const { liveBuffers } = gpu;
  gpu.dispose();
  return { losses, parameters: [...hash].join(' '), liveBuffers, timers };
}
