import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { openDataset } from '@alex/data';
import { openGpu, pollPatiently } from '@alex/tensor';
import { type Activation, activations } from './network.js';
import { nextTask } from './plan.js';
import { advance, readCurves } from './train.js';

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: 'runs/data/cifar10-prepared' },
    runs: { type: 'string', default: 'runs/figure-1' },
    adapter: { type: 'string' },
    activations: { type: 'string', default: Object.keys(activations).join(',') },
  },
});
const compared = values.activations.split(',') as Activation[];
const stopped = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stopped.abort());

const dataset = await openDataset(values.data);
const gpu = await openGpu(values.adapter === undefined ? {} : { adapter: values.adapter });
if (gpu.description.kind === 'software') pollPatiently();
console.log(`${gpu.description.name}, ${availableParallelism()} cores`);
try {
  for (;;) {
    const task = nextTask(compared, await readCurves(values.runs));
    if (!task) break;
    const name = `${task.activation}, rate ${task.learningRate}, seed ${task.seed}`;
    console.log(`${new Date().toISOString()} ${name}: up to ${task.epochs} epochs`);
    await advance(task, {
      gpu,
      dataset,
      runs: values.runs,
      signal: stopped.signal,
      onEpoch: ({ errors, seconds }) =>
        console.log(
          `${new Date().toISOString()} ${name}: epoch ${errors.length}, training error ` +
            `${(100 * errors.at(-1)!).toFixed(2)}%, ${Math.round(seconds)} s`,
        ),
    });
    if (stopped.signal.aborted) process.exit(130);
  }
} finally {
  gpu.dispose();
}
