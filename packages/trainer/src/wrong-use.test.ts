import { join } from 'node:path';
import { alexnet } from '@alex/model-alexnet';
import { place } from '@alex/multi-gpu';
import { AlexError, type Gpu } from '@alex/tensor';
import { testGpu } from '@alex/tensor/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { odd, refuse, refuseWrongOptions } from '../../../wrong-use.base.js';
import { ActivationFile } from './activation-file.js';
import { activationsOf, featureShape, lastHiddenLayer } from './activations.js';
import { changeRun } from './change-run.js';
import { CheckpointFolder } from './checkpoint-folder.js';
import { colourfulness } from './colourfulness.js';
import { mix, searchMix } from './evaluation/ensemble.js';
import { evaluate } from './evaluation/evaluate.js';
import { gather, type Scores, score } from './evaluation/scores.js';
import type { Metrics } from './metrics.js';
import { buildIndex } from './neighbours/build-index.js';
import { FeatureIndexWriter } from './neighbours/feature-index.js';
import { findNearest } from './neighbours/nearest.js';
import { openRun } from './open-run.js';
import { predict } from './predict.js';
import { RunDirectory } from './run-directory.js';
import { lockRun } from './run-lock.js';
import { writeSafetensors } from './safetensors.js';
import { startingWeights } from './starting-weights.js';
import type { Placed } from './stepper.js';
import { configOf, datasetOf, withAugmenter } from './testing.js';
import { train } from './train.js';

const folder = temporaryFolder();
const path = join(folder, 'run');
const { validation: split } = datasetOf();

let gpu: Gpu;
let placed: Placed & { dispose(): void };
let run: RunDirectory;
beforeAll(async () => {
  gpu = await testGpu();
  const network = place(alexnet({ variant: 'small', classes: 3, inputSize: 24 }), [gpu], { batch: 4, training: false });
  placed = withAugmenter(network, configOf());
  run = await RunDirectory.create(path, configOf());
});
afterAll(() => placed.dispose());

const line: Metrics = {
  step: 1,
  epoch: 0.1,
  split: 'train',
  loss: 1,
  top1Error: 0.5,
  top5Error: 0,
  learningRate: 0.1,
  imagesPerSecond: 10,
};
const checkpoint = { step: 1, parameters: {}, optimizerState: {} };
const folderOfCheckpoints = new CheckpointFolder(join(folder, 'checkpoints'));

refuseWrongOptions([
  ['train', (options) => train(options)],
  ['evaluate', (options) => evaluate(options)],
  ['score', (options) => score(options).next()],
  ['buildIndex', (options) => buildIndex(options)],
  ['findNearest', (options) => findNearest(options)],
  ['openRun', (options) => openRun(path, gpu, odd(alexnet), options)],
  ['changeRun', (options) => changeRun(run, 10, options)],
  ['lockRun', (options) => lockRun(path, options)],
  ['lockRun', (options) => RunDirectory.openLocked(path, options)],
  ['lockRun', (options) => run.whileLocked(async () => undefined, options)],
  ['ActivationFile', (options) => ActivationFile.open(join(folder, 'fc7.npy'), [2], options)],
  ['checkpoint', (options) => folderOfCheckpoints.save(options)],
  ['restore', (options) => folderOfCheckpoints.restore(() => undefined, options)],
  ['metrics', (options) => run.appendMetrics(options)],
]);

it('all that openRun gives may be spread among options', async () => {
  const opened = { config: configOf(), learnt: { kind: 'final' }, ...placed };
  expect((await evaluate({ ...opened, split, signal: odd(undefined) })).images).toBe(10);
});

const images = { count: 1, pixels: new Uint8Array(26 * 26 * 3) };
const scores: Scores = {
  labels: Uint32Array.of(0),
  classes: 2,
  probabilities: Float32Array.of(1, 0),
  losses: Float64Array.of(0),
  top1Errors: Float64Array.of(0),
  top5Errors: Float64Array.of(0),
};
const origin = {
  step: 0,
  version: '1',
  command: [],
  machine: { node: '', platform: '', processor: '', cores: 1 },
  adapters: [],
  memory: { total: 1, parameters: 1, optimizerState: 0, activations: 0 },
};

refuse(AlexError, [
  [
    'training without a network',
    () => train(odd({ run })),
    'train: network must be a network, as place() or openRun()',
  ],
  ['training without a run', () => train(odd({ ...placed, dataset: datasetOf() })), 'train: run must be a run, as'],
  ['training without data', () => train(odd({ ...placed, run })), 'train: dataset.train must be a split of a data set'],
  [
    'training that does something else when it diverges',
    () => train(odd({ ...placed, run, dataset: datasetOf(), onDivergence: 'ignore' })),
    "train: onDivergence must be 'stop' or 'rollback', got 'ignore'",
  ],
  [
    'training with a controller for a signal',
    () => train(odd({ ...placed, run, dataset: datasetOf(), signal: new AbortController() })),
    'train: signal must be an AbortSignal',
  ],
  [
    'an evaluation of a whole data set',
    () => evaluate({ ...placed, split: odd(datasetOf()) }),
    'evaluate: split must be a split',
  ],
  [
    'an evaluation without an augmenter',
    () => evaluate(odd({ network: placed.network, split })),
    'evaluate: augmenter must be',
  ],
  [
    'an evaluation of views in words',
    () => evaluate({ ...placed, split, views: odd('ten') }),
    'views must be 1 or 10, got ten',
  ],
  ['a prediction of nothing', () => predict(placed, odd(undefined)), 'predict: images.count must be a whole number'],
  [
    'a prediction of bytes alone',
    () => predict(placed, odd(images.pixels)),
    'predict: images.count must be a whole number',
  ],
  [
    'a prediction of fractions',
    () => predict(placed, odd({ count: 1, pixels: new Float32Array(26 * 26 * 3) })),
    'predict: images.pixels must be a Uint8Array of values from 0 to 255, got Float32Array',
  ],
  ['a prediction without a network', () => predict(odd(placed.network), images), 'predict: network must be a network'],
  ['a prediction of half a class', () => predict(placed, images, 0.5), 'predict: count must be a whole number'],
  [
    'activations of no number of images',
    () => activationsOf(placed, odd({ ...images, count: '1' }), 'conv1'),
    "got '1'",
  ],
  ['a run in no folder', () => RunDirectory.open(odd(undefined)), 'RunDirectory: path must be a text, got undefined'],
  ['an opened run in no folder', () => openRun(odd(undefined), gpu, odd(alexnet)), 'openRun: path must be a text'],
  ['an opened run on no adapter', () => openRun(path, odd([gpu]), odd(alexnet)), 'openRun: gpu must be an adapter'],
  ['an opened run of no network', () => openRun(path, gpu, odd('small')), 'openRun: describe must be a function'],
  ['an opened run without images', () => openRun(path, gpu, odd(alexnet), { batch: 0 }), 'openRun: batch must be'],
  [
    'a run with a misspelt recipe',
    () => RunDirectory.create(join(folder, 'new'), configOf(odd({ momntum: 0.9 }))),
    'momntum',
  ],
  [
    'a change to a rate in words',
    () => changeRun(run, 10, { learningRate: odd('0.1') }),
    "learningRate must be a number of at least 0, got '0.1'",
  ],
  ['a change to another length', () => changeRun(run, 10, { steps: -1 }), 'changeRun: steps must be a whole number'],
  [
    'a change to no schedule',
    () => changeRun(run, 10, { schedule: odd({ kind: 'stair' }) }),
    'changeRun: schedule: kind',
  ],
  [
    'a checkpoint of half a step',
    () => folderOfCheckpoints.save({ ...checkpoint, step: 0.5 }),
    'checkpoint: step must be',
  ],
  [
    'a checkpoint without state',
    () => folderOfCheckpoints.save(odd({ step: 1, parameters: {} })),
    'checkpoint: optimizerState must be what network.optimizerState() gives',
  ],
  [
    'a misspelt validation',
    () => folderOfCheckpoints.save(odd({ ...checkpoint, validation: { loss: 1, top1Error: 0, top5: 0 } })),
    'checkpoint: validation: top5Error must be a number of at least 0, got undefined',
  ],
  [
    'metrics without a loss',
    () => run.appendMetrics(odd({ ...line, loss: undefined })),
    'metrics: loss must be a finite number',
  ],
  [
    'metrics of another split',
    () => run.appendMetrics(odd({ ...line, split: 'test' })),
    "metrics: split must be 'train' or 'val', got 'test'",
  ],
  ['a misspelt origin', () => run.beginStretch(odd({ ...origin, startegy: 'data' })), 'origin: startegy: '],
  [
    'another end',
    () => run.beginStretch(origin).end(odd({ step: 1, outcome: 'done' })),
    "ending: outcome must be 'finished' or",
  ],
  ['an ensemble that is no list', () => [...mix(odd(scores))], 'an ensemble: the networks must be an array'],
  [
    'an ensemble with one weight',
    () => [...mix([scores, scores], odd(1))],
    'an ensemble: weights must be an array, got 1',
  ],
  [
    'another goal',
    () => searchMix([scores, scores], odd('top2')),
    "searchMix: goal must be 'top5' or 'top1' or 'loss'",
  ],
  [
    'an index of other facts',
    () => FeatureIndexWriter.open(join(folder, 'features'), odd({ rows: 1, shape: [2], identity: { epoch: 3 } })),
    'an index is described by { rows, shape, identity }; identity.epoch: ',
  ],
  ['features of no network', () => featureShape(odd({}), 'fc7'), 'a network must be a description, from'],
  ['the last layer of no network', () => lastHiddenLayer(odd(undefined)), 'a network must be a description, from'],
  [
    'weights that are none',
    () => startingWeights(odd(undefined), placed.network, []),
    'starting weights: given must be an object',
  ],
  [
    'a layer that is no list',
    () => startingWeights({}, placed.network, odd('fc6')),
    "starting weights: replaces must be an array, got 'fc6'",
  ],
  ['colours of no filters', () => colourfulness(odd(undefined)), 'colourfulness: must be a tensor'],
  ['a file of no tensors', () => writeSafetensors(join(folder, 'a'), odd(undefined)), 'tensors must be an object'],
  [
    'a note that is no text',
    () => writeSafetensors(join(folder, 'a'), {}, odd({ step: 3 })),
    'metadata.step must be a text, got 3',
  ],
  ['scores of no split', () => gather(odd(undefined), odd([])), 'gather: split must be a split of a data set'],
  ['neighbours in no index', () => findNearest(odd({ gpu })), 'findNearest: index must be a FeatureIndex'],
  [
    'files for how many images',
    () => ActivationFile.open(join(folder, 'fc7.npy'), [2], odd({})),
    'ActivationFile: most must be',
  ],
]);
