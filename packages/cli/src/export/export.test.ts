import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { relu } from '@alex/activations';
import { decodeImage } from '@alex/data';
import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { localResponseNorm } from '@alex/lrn';
import { alexnet, fromPublished } from '@alex/model-alexnet';
import { maxPool } from '@alex/pool';
import { ConfigError, describeNetwork, type HostTensor, type Layer, type NetworkDescription } from '@alex/tensor';
import { elementsPerImage, fromHalves, toHalves } from '@alex/tensor/kernels';
import { randomTensor } from '@alex/tensor/testing';
import {
  base64FromFloats,
  checkRunConfig,
  floatsFromBase64,
  type RunConfig,
  RunDirectory,
  readSafetensors,
} from '@alex/trainer';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../../temporary.base.js';
import { readNetwork } from '../network-in-file.js';
import { readLabels } from '../published.js';
import { readWeights } from '../read-weights.js';
import { runCommand } from '../testing/command.js';
import { png } from '../testing/images.js';
import { writeRun } from '../testing/written-run.js';
import type { PublishedWeights } from '../weights.js';
import { exportBrowser } from './browser.js';
import type { BrowserModel } from './browser-model.js';
import { exportCaffe } from './caffe.js';
import { exportTorchvision } from './torchvision.js';

const directory = temporaryFolder();
const file = (name: string) => join(directory, name);
const classes = ['ant', 'bee', 'cat'];

/** Weights with which all classes are about as likely. */
function weightsOf({ layers }: NetworkDescription): Record<string, HostTensor> {
  return Object.fromEntries(
    layers.flatMap(({ parameters }) =>
      parameters.map(({ path, name, shape }, seed) => {
        const { data } = randomTensor([...shape], seed + path.length);
        const size = name === 'weight' ? 1 / Math.sqrt(elementsPerImage(shape)) : 0.1;
        return [path, { shape: [...shape], data: data.map((value) => value * size) }];
      }),
    ),
  );
}

interface Classified {
  readonly labels: readonly { readonly label: string; readonly probability: number }[];
}

/** What `classify` says of an image, by class. */
async function classified(...network: readonly string[]): Promise<number[]> {
  const { code, stdout, stderr } = await runCommand(['classify', file('image.png'), ...network, '--json']);
  expect(code, stderr).toBe(0);
  const [{ labels }] = JSON.parse(stdout) as [Classified];
  return classes.map((name) => labels.find(({ label }) => label === name)!.probability);
}

/** What ONNX Runtime computes of the same image. */
async function computed(model: string, images: HostTensor): Promise<number[]> {
  const session = await InferenceSession.create(await readFile(model), { logSeverityLevel: 3 });
  try {
    const output = await session.run({ [session.inputNames[0]!]: new Tensor('float32', images.data, images.shape) });
    return [...(output['probabilities']!.data as Float32Array)];
  } finally {
    await session.release();
  }
}

/** Pixels `[1, 3, 32, 32]` of the image. */
async function pixels(): Promise<HostTensor> {
  const bytes = await decodeImage('image', file('image.png'), 32);
  // Red, green and blue of one pixel after the other.
  const data = Float32Array.from({ length: bytes.length }, (_, i) => bytes[(i % 1024) * 3 + Math.floor(i / 1024)]!);
  return { shape: [1, 3, 32, 32], data };
}

const description = alexnet({ variant: 'small', inputSize: 24, classes: 3 });
const largestGap = (one: readonly number[], other: readonly number[]) =>
  Math.max(...one.map((value, i) => Math.abs(value - other[i]!)));

beforeAll(async () => {
  await writeFile(file('image.png'), png(200, 120, 40));
  const run = await writeRun(file('run'), { data: { classes }, hasFinished: false });
  await run.saveWeights(weightsOf(description), 4);
  const meanImage = base64FromFloats(Float32Array.from({ length: 3 * 32 * 32 }, (_, i) => 90 + (i % 60)));
  const other = await writeRun(file('mean-image'), { data: { classes }, images: { meanImage }, hasFinished: false });
  await other.saveWeights(weightsOf(description), 4);
});

async function exported(run: string, format: string, name: string, ...more: readonly string[]): Promise<string> {
  const to = file(name);
  const result = await runCommand(['export', '--run', file(run), '--format', format, '--to', to, ...more]);
  expect(result.code, result.stderr).toBe(0);
  return to;
}

describe('an ONNX model', () => {
  it.each(['run', 'mean-image'])('of a %s computes from pixels what classify says', async (run) => {
    const own = await classified('--run', file(run));
    const model = await exported(run, 'onnx', `${run}.onnx`, '--with-preprocessing');
    expect(largestGap(await computed(model, await pixels()), own)).toBeLessThan(1e-5);
    expect(largestGap(await classified('--weights', model), own)).toBeLessThan(1e-6);
  });

  it('without preprocessing says in its metadata how images are prepared, and is used accordingly', async () => {
    const model = await exported('run', 'onnx', 'plain.onnx');
    expect(largestGap(await classified('--weights', model), await classified('--run', file('run')))).toBeLessThan(1e-6);
    const read = await readWeights(model);
    expect(read).toMatchObject({
      form: 'own',
      model: { variant: 'small', inputSize: 24, classes, mean: [1, 2, 3], scale: 64, imageSize: [32, 32] },
    });
  });

  it('becomes weights of this program by import', async () => {
    const model = await exported('run', 'onnx', 'imported.onnx', '--with-preprocessing');
    const to = file('imported.safetensors');
    const { code, stdout } = await runCommand(['import', model, '--to', to, '--json']);
    expect([code, JSON.parse(stdout)]).toEqual([0, { to, variant: 'small', inputSize: 24, classes: 3 }]);
    const { tensors, metadata } = await readSafetensors(to);
    expect(tensors).toEqual(weightsOf(description));
    expect(metadata).toMatchObject({
      variant: 'small',
      inputSize: '24',
      mean: '[1,2,3]',
      scale: '64',
      classes: JSON.stringify(classes),
    });
  });
});

it('exports safetensors that are the weights of the run, and can be used without it', async () => {
  const to = await exported('run', 'safetensors', 'own.safetensors');
  expect((await readSafetensors(to)).tensors).toEqual(weightsOf(description));
  expect(await classified('--weights', to)).toEqual(await classified('--run', file('run')));
});

describe('for a browser', () => {
  it('are weights in 16 bits, in files of a bounded size, with all that an image needs', async () => {
    const to = await exported('mean-image', 'browser', 'page.json');
    const model = JSON.parse(await readFile(to, 'utf8')) as BrowserModel;
    expect(model).toMatchObject({
      format: 'alex-browser-1',
      model: { variant: 'small', inputSize: 24 },
      classes,
      files: ['page-0.bin'],
    });
    expect(model.images).toMatchObject({ height: 32, width: 32, channels: 3, scale: 64 });
    expect(floatsFromBase64(model.images.meanImage!)).toHaveLength(3 * 32 * 32);
    const bytes = await readFile(file('page-0.bin'));
    const wanted = weightsOf(description);
    expect(model.tensors.map(({ name }) => name).sort()).toEqual(Object.keys(wanted).sort());
    for (const { name, shape, offset } of model.tensors) {
      const { data } = wanted[name]!;
      expect(shape).toEqual(wanted[name]!.shape);
      const halves = fromHalves(new Uint16Array(bytes.buffer, bytes.byteOffset + offset, data.length));
      expect(halves).toEqual(fromHalves(toHalves(data)).subarray(0, data.length));
      expect(largestGap([...halves], [...data])).toBeLessThan(2e-3);
    }
  });

  it('are no values that 16 bits do not hold, and no networks that a page does not know', async () => {
    const weights = { 'conv1.weight': { shape: [1], data: Float32Array.of(7e4) } };
    const config = { ...(await RunDirectory.open(file('run'))).config };
    const choice = { to: file('beyond.json'), withPreprocessing: false };
    await expect(exportBrowser({ config, description, weights }, choice)).rejects.toThrow(
      /conv1\.weight has the value 70000, but 16 bits hold at most 65504/,
    );
    const other = { ...config, model: { ...config.model, variant: 'mine' } };
    await expect(exportBrowser({ config: other, description, weights: {} }, choice)).rejects.toThrow(
      /mine is no network/,
    );
  });

  it('are several files if there are many', async () => {
    const large = { shape: [6_000_000], data: new Float32Array(6_000_000) };
    const { config } = await RunDirectory.open(file('run'));
    const to = file('large.json');
    const { files } = await exportBrowser(
      { config, description, weights: { a: large, b: large } },
      { to, withPreprocessing: false },
    );
    expect(files).toEqual([to, file('large-0.bin'), file('large-1.bin')]);
    expect((JSON.parse(await readFile(to, 'utf8')) as BrowserModel).tensors).toEqual([
      { name: 'a', shape: [6_000_000], file: 0, offset: 0 },
      { name: 'b', shape: [6_000_000], file: 1, offset: 0 },
    ]);
  });
});

/** The published networks with fewer maps. */
function published(variant: 'torchvision' | 'caffe' | 'caffenet'): NetworkDescription {
  const side = 107;
  const norm = localResponseNorm({ name: 'norm1', k: 1, alphaPerElement: true });
  const pool = maxPool({ name: 'pool1', size: 3, stride: 2, rounding: variant === 'torchvision' ? 'floor' : 'ceil' });
  const order: Layer[] = { torchvision: [pool], caffe: [norm, pool], caffenet: [pool, norm] }[variant];
  return describeNetwork({
    name: variant,
    input: [3, side, side],
    layers: [
      conv2d({ name: 'conv1', filters: 4, kernel: 11, stride: 8 }),
      relu({ name: 'relu1' }),
      ...order,
      ...['conv2', 'conv3', 'conv4', 'conv5'].map((name) =>
        conv2d({ name, filters: 4, kernel: 3, padding: 1, groups: 2 }),
      ),
      ...['fc6', 'fc7'].map((name) => dense({ name, units: 5 })),
      dense({ name: 'fc8', units: 3 }),
    ],
  });
}

function configOf(variant: string, images: Partial<RunConfig['images']> = {}): RunConfig {
  return checkRunConfig({
    model: { variant, inputSize: 107 },
    data: { source: 'x', name: 'x', classes, height: 120, width: 120, channels: 3 },
    images: { crop: 'random', mirror: true, padding: 0, mean: [10, 20, 30], scale: 64, ...images },
    recipe: {
      ...{
        batch: 1,
        steps: 1,
        seed: 1,
        learningRate: 0.01,
        momentum: 0.9,
        weightDecay: 0,
        evaluateEvery: 1,
        checkpointEvery: 1,
      },
      schedule: { kind: 'step', factor: 0.1, epochs: [3] },
    },
  });
}

const choice = (to: string) => ({ to, withPreprocessing: false });

it("exports torchvision's names, and reads them again with their own mean, scale and classes", async () => {
  const network = published('torchvision');
  const weights = weightsOf(network);
  const to = file('torchvision.safetensors');
  const { remarks } = await exportTorchvision(
    { config: configOf('torchvision'), description: network, weights },
    choice(to),
  );
  expect(remarks.join()).toBe(
    'is for torchvision.models.alexnet(num_classes=3), after Normalize([0.0392, 0.0784, 0.1176], [0.2510, 0.2510, 0.2510]).',
  );
  const { tensors } = await readSafetensors(to);
  expect(Object.keys(tensors).filter((name) => name.endsWith('weight'))).toEqual(
    ['classifier.1', 'classifier.4', 'classifier.6', ...[0, 10, 3, 6, 8].map((module) => `features.${module}`)].map(
      (name) => `${name}.weight`,
    ),
  );
  expect(tensors['features.0.weight']).toEqual(weights['conv1.weight']);
  const read = (await readWeights(to)) as PublishedWeights;
  expect(read).toMatchObject({ notes: { classes, imageSize: [120, 120] }, inputSize: 107 });
  expect(read.form).toMatchObject({ variant: 'torchvision', mean: [10, 20, 30], deviations: [64, 64, 64] });
  expect(fromPublished(to, read.tensors, read.form, network, 64)).toEqual(weights);
});

describe.each(['caffe', 'caffenet'] as const)('the files of %s', (variant) => {
  it('are read again as the network that was written', async () => {
    const network = published(variant);
    const weights = weightsOf(network);
    const to = file(`${variant}.caffemodel`);
    const { files } = await exportCaffe({ config: configOf(variant), description: network, weights }, choice(to));
    expect(files.map((one) => one.slice(file(variant).length))).toEqual([
      ...['.caffemodel', '.prototxt', '.binaryproto', '.labels.txt'],
    ]);
    const read = (await readWeights(to)) as PublishedWeights;
    expect(read).toMatchObject({ form: { variant, channels: 'bgr' }, classes: 3, remarks: [] });
    const again = fromPublished(to, read.tensors, read.form, network, 64);
    expect(largestGap([...again['conv1.weight']!.data], [...weights['conv1.weight']!.data])).toBeLessThan(1e-7);
    expect({ ...again, 'conv1.weight': undefined }).toEqual({ ...weights, 'conv1.weight': undefined });
    expect(await readLabels(files[3], 3)).toEqual(classes);
    const { imageSize } = await readNetwork(to, files[2]);
    expect(imageSize).toEqual([120, 120]);
    const prototxt = await readFile(files[1]!, 'utf8');
    expect(prototxt).toContain('input_param { shape: { dim: 1 dim: 3 dim: 107 dim: 107 } }');
    expect(prototxt).toContain(
      'layer { name: "conv2" type: "Convolution" bottom: "' +
        `${variant === 'caffe' ? 'pool1' : 'norm1'}" top: "conv2" convolution_param { num_output: 4 kernel_size: 3 stride: 1 pad: 1 group: 2 } }`,
    );
    expect(prototxt.trim().split('\n').at(-1)).toBe('layer { name: "prob" type: "Softmax" bottom: "fc8" top: "prob" }');
  });
});

describe('what a format cannot hold is refused:', () => {
  it.each([
    ['torchvision', /this network is small, whose layers torchvision's alexnet does not have; give --format onnx/],
    ['caffe', /this network is small; only caffe and caffenet .*give --format onnx/],
  ])('another network in %s', async (format, message) => {
    const { code, stderr } = await runCommand(['export', '--run', file('run'), '--format', format, '--to', file('x')]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });

  it('preprocessing in weights, and a format that there is not', async () => {
    const asked = (...more: string[]) => runCommand(['export', '--run', file('run'), '--to', file('x'), ...more]);
    const { code, stderr } = await asked('--format', 'safetensors', '--with-preprocessing');
    expect([code, stderr]).toEqual([2, expect.stringMatching(/only a model of --format onnx can include it/)]);
    expect((await asked('--format', 'keras')).stderr).toMatch(
      /Allowed choices are onnx, torchvision, safetensors, caffe/,
    );
    expect((await asked()).stderr).toMatch(/required option '--format <name>' not specified/);
  });

  it('a network of other maps under the names of torchvision', async () => {
    const network = describeNetwork({ name: 'n', input: [3, 9, 9], layers: [dense({ name: 'fc6', units: 2 })] });
    const writing = exportTorchvision(
      { config: configOf('torchvision'), description: network, weights: {} },
      choice(file('x')),
    );
    await expect(writing).rejects.toThrow(ConfigError);
    await expect(writing).rejects.toThrow(/sees 9 x 9 positions, in torchvision always 6 x 6/);
  });
});
