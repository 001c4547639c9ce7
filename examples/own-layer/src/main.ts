import { place } from '@alex/multi-gpu';
import { sgd } from '@alex/optim';
import { openGpu } from '@alex/tensor';
import { gratings } from './gratings.js';
import { ownNetwork } from './network.js';

const [batch, steps] = [32, 60];
console.log(String(ownNetwork.table()));
const gpu = await openGpu();
const network = place(ownNetwork, [gpu], { batch, optimizer: sgd({ learningRate: 0.05, weightDecay: 0 }) });
for (let step = 0; step < steps; step++) {
  const { images, labels } = gratings(batch, step);
  const { loss, top1Error } = await network.step(images, labels);
  if (step % 10 === 9) console.log(`step ${step + 1}: loss ${loss.toFixed(3)}, error ${(100 * top1Error).toFixed(0)}%`);
}
const held = gratings(batch, 1_000_000);
const { top1Errors } = await network.evaluate(held.images, held.labels);
const wrong = top1Errors.reduce((sum, error) => sum + error, 0);
console.log(`Of ${batch} images that were not trained on, ${wrong} are classified wrongly.`);
network.dispose();
gpu.dispose();
