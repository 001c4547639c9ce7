// Trains the runs of Figure 1, the most valuable first, and resumes where it was stopped.
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openDataset, prepareDataset } from '@alex/data';
import { openGpu, pollPatiently } from '@alex/tensor';
import type { Curve } from './curve.js';
import { type Activation, activations } from './network.js';
import { nextTask } from './plan.js';
import { advance, readCurves } from './train.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const { values } = parseArgs({
  options: {
    data: { type: 'string', default: `${root}runs/data/cifar10-prepared` },
    from: { type: 'string' },
    runs: { type: 'string', default: `${root}runs/figure-1` },
    adapter: { type: 'string' },
    activations: { type: 'string', default: Object.keys(activations).join(',') },
  },
});
const compared = values.activations.split(',') as Activation[];
const unknown = compared.find((name) => !Object.hasOwn(activations, name));
if (unknown !== undefined) {
  console.error(`--activations ${unknown}: there is no such activation; choose some of ${Object.keys(activations)}`);
  process.exit(2);
}
const stopped = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stopped.abort());
const say = (line: string) => console.log(`${new Date().toISOString()} ${line}`);

const isPrepared = await access(join(values.data, 'dataset.json')).then(
  () => true,
  () => false,
);
if (!isPrepared) {
  say('Preparing CIFAR-10');
  await prepareDataset({ source: 'cifar10', from: values.from, to: values.data, signal: stopped.signal });
}
const dataset = await openDataset(values.data);
const gpu = await openGpu(values.adapter === undefined ? {} : { adapter: values.adapter });
// Leaves the cores to drivers that compute on them.
if (gpu.description.kind === 'software') pollPatiently();
say(gpu.description.name);
const setting = { gpu, dataset, runs: values.runs, signal: stopped.signal };
for (;;) {
  const task = nextTask(compared, await readCurves(values.runs));
  if (!task) break;
  const name = `${task.activation}, rate ${task.learningRate}, seed ${task.seed}`;
  say(`${name}: up to ${task.epochs} epochs`);
  const onEpoch = ({ errors, seconds }: Curve) =>
    say(
      `${name}: epoch ${errors.length}, training error ${(100 * errors.at(-1)!).toFixed(2)}%, ${Math.round(seconds)} s`,
    );
  await advance(task, { ...setting, onEpoch });
  if (stopped.signal.aborted) process.exit(130);
}
gpu.dispose();
