import { join } from 'node:path';
import { dense } from '@alex/layers-dense';
import { place } from '@alex/multi-gpu';
import { describeNetwork, type Gpu, type Layer } from '@alex/tensor';
import { recordElementwise } from '@alex/tensor/kernels';
import { testGpu } from '@alex/tensor/testing';
import { beforeAll, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { RunDirectory } from './run-directory.js';
import { configOf, datasetOf, sgdOf, withAugmenter } from './testing.js';
import { type TrainingOptions, train } from './train.js';

const parent = temporaryFolder();
let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});

/** Subtracts the running mean of each unit; every image of a batch moves it by a hundredth. */
const centre: Layer = {
  kind: 'centre',
  name: 'centre',
  outputShape: (input) => input,
  parameters: () => [],
  state: ([, units]) => [{ name: 'mean', shape: [units!], initial: 0 }],
  multiplyAdds: () => 0,
  forward(recorder, { input, state, training }) {
    const images = input.shape[0]!;
    const mean = state!['mean']!;
    const output = recorder.activation('centre/output', input.shape);
    const reads = { x: input };
    const body = `y = x - load_mean(i / ${images}u);`;
    recordElementwise(recorder, {
      label: 'centre',
      elements: input.elements,
      reads,
      writes: { y: output },
      also: { mean },
      body,
    });
    if (!training) return { output };
    const next = recorder.tensor('centre/next', mean.shape);
    recordElementwise(recorder, {
      label: 'centre/mean',
      elements: mean.elements,
      reads: { m: mean },
      writes: { next },
      also: reads,
      body: `next = m; for (var n = 0u; n < ${images}u; n++) { next += 0.01 * (load_x(i * ${images}u + n) - next); }`,
    });
    return { output, state: { mean: next } };
  },
  backward: (_, { outputGradient }) => ({ inputGradient: outputGradient }),
  column: () => centre,
};

/** Trains on the adapter from the content of the run directory, as a new process would. */
async function trainIn(run: RunDirectory, options: Partial<TrainingOptions> = {}) {
  const { recipe, model } = run.config;
  const description = describeNetwork({
    name: 'centred',
    input: [3, model.inputSize, model.inputSize],
    layers: [dense({ name: 'fc1', units: 6 }), centre, dense({ name: 'fc2', units: 3 })],
  });
  const microBatches = 2;
  const network = place(description, [gpu], {
    batch: recipe.batch / microBatches,
    microBatches,
    seed: recipe.seed,
    optimizer: sgdOf(recipe),
  });
  const placed = withAugmenter(network, run.config);
  try {
    return await train({ run, dataset: datasetOf(), ...placed, ...options });
  } finally {
    placed.dispose();
  }
}

it('a run that is stopped, between micro-batches or elsewhere, ends with the same layer state, bit for bit', async () => {
  const whole = await RunDirectory.create(join(parent, 'whole'), configOf());
  await trainIn(whole);
  const stopped = await RunDirectory.create(join(parent, 'stopped'), configOf());
  const stop = new AbortController();
  const first = await trainIn(stopped, {
    signal: stop.signal,
    onEvent: (event) => event.kind === 'step' && event.metrics.step === 5 && stop.abort(),
  });
  expect(first.finished).toBe(false);
  const checkpoint = await stopped.latestCheckpoint();
  expect(Object.keys(checkpoint!.layerState!)).toEqual(['centre.mean']);
  expect(Object.keys(checkpoint!.parameters)).not.toContain('centre.mean');
  expect(checkpoint!.layerState!['centre.mean']!.data.some((value) => value !== 0)).toBe(true);
  expect((await trainIn(stopped)).finished).toBe(true);
  const weights = await whole.readWeights();
  expect(Object.keys(weights).sort()).toEqual(['centre.mean', 'fc1.bias', 'fc1.weight', 'fc2.bias', 'fc2.weight']);
  expect(await stopped.readWeights()).toEqual(weights);
  expect((await stopped.latestCheckpoint())!.layerState).toEqual({ 'centre.mean': weights['centre.mean'] });
});
