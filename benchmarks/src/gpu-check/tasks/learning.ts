import { alexnet } from '@alex/model-alexnet';
import { place } from '@alex/multi-gpu';
import { sgd } from '@alex/optim';
import { openGpu } from '@alex/tensor';
import type { Precision } from '@alex/tensor/network';
import { examineKernels } from '../../examine-kernels.js';
import { drawnClasses, drawnImages } from '../drawn-images.js';
import { formatRecord } from '../records.js';

/* Trains the small network on generated images in the given precision, and reports the loss of each step. */

const [precision] = process.argv.slice(2) as [Precision];
const [batch, steps, held] = [32, 200, 320];
const adapter = process.env['ALEX_ADAPTER'];
const gpu = await openGpu(adapter ? { adapter } : {});
const description = alexnet({ variant: 'small', classes: drawnClasses });
const size = description.input[1]!;
const optimizer = sgd({ learningRate: 0.01 });
await examineKernels(description, gpu, { batch, precision });
const network = place(description, [gpu], { batch, precision, seed: 1, optimizer });
console.log(formatRecord({ batch }));
for (let step = 0; step < steps; step++) {
  const { images, labels } = drawnImages(held + step * batch, batch, size);
  console.log(formatRecord({ loss: (await network.step(images, labels)).loss }));
}
let wrong = 0;
for (let first = 0; first < held; first += batch) {
  const { images, labels } = drawnImages(first, batch, size);
  const { top1Errors } = await network.evaluate(images, labels);
  for (const error of top1Errors) wrong += error;
}
console.log(formatRecord({ validationError: wrong / held }));
network.dispose();
gpu.dispose();
