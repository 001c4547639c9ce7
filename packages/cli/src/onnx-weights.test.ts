import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { relu } from '@alex/activations';
import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { alexnet, fromPublished, type Variant, variants } from '@alex/model-alexnet';
import { type WriteOnnxOptions, writeOnnx } from '@alex/onnx';
import { maxPool } from '@alex/pool';
import { CheckpointError, ConfigError, describeNetwork, type HostTensor, type NetworkDescription } from '@alex/tensor';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { matchingVariant } from './matching-variant.js';
import { readNetwork, withLabels } from './network-in-file.js';
import { readWeights } from './read-weights.js';
import { startingPoint } from './starting-point.js';
import { runCommand } from './testing/command.js';
import { png, writeImages } from './testing/images.js';
import type { PublishedWeights } from './weights.js';

const directory = temporaryFolder();
const file = (name: string) => join(directory, name);

function parametersOf({ layers }: NetworkDescription): Record<string, HostTensor> {
  const all = layers.flatMap(({ parameters }) => parameters);
  return Object.fromEntries(
    all.map(({ path, shape }, index) => {
      const length = shape.reduce((product, size) => product * size, 1);
      return [
        path,
        { shape: [...shape], data: Float32Array.from({ length }, (_, i) => ((i * 7 + index) % 13) / 40 - 0.15) },
      ];
    }),
  );
}

const sizes: Partial<Record<Variant, number>> = { small: 24 };

/** `toEqual` compares millions of numbers one by one. */
const areSame = (one: HostTensor, other: HostTensor) =>
  one.shape.join() === other.shape.join() &&
  Buffer.compare(Buffer.from(new Uint8Array(one.data.buffer)), Buffer.from(new Uint8Array(other.data.buffer))) === 0;

/** A network of this program as a model; smaller than it is. */
async function modelOf(variant: Variant, options: WriteOnnxOptions = {}) {
  const inputSize = sizes[variant] ?? (variant.startsWith('cifar') ? undefined : 71);
  const description = alexnet({ variant, classes: 3, ...(inputSize && { inputSize }) });
  const parameters = parametersOf(description);
  const path = file(`${variant}.onnx`);
  await writeFile(path, writeOnnx(description, parameters, options));
  return { path, description, parameters };
}

it.each(variants)('a network is known by what it computes: $name', ({ name }) => {
  const description = alexnet({ variant: name, classes: 3, ...(sizes[name] && { inputSize: sizes[name] }) });
  const renamed = {
    ...description,
    layers: description.layers.map((described, index) => ({
      ...described,
      layer: { ...described.layer, name: `l${index}` },
    })),
  };
  // The values play no part.
  const weights = Object.fromEntries(
    description.layers.flatMap(({ parameters }) =>
      parameters.map(({ path, shape }) => [path, { shape: [...shape], data: new Float32Array() }]),
    ),
  );
  const found = matchingVariant(renamed, weights);
  expect(found).toMatchObject({ variant: name });
  expect(found!.weights).toEqual(weights);
});

it("Caffe2's translation of Caffe's network, for images of 224 and with pooling that is padded, is caffe", () => {
  const caffe = alexnet({ variant: 'caffe', inputSize: 224, classes: 3 });
  const padding = { top: 0, left: 0, bottom: 1, right: 1 };
  const translated = describeNetwork({
    name: 'bvlc_alexnet',
    input: caffe.input,
    layers: caffe.layers.map(({ layer }) =>
      layer.kind === 'maxPool' ? maxPool({ name: layer.name, size: 3, stride: 2, padding }) : layer,
    ),
  });
  const empty = { shape: [0], data: new Float32Array() };
  const weights = Object.fromEntries(
    translated.layers.flatMap(({ parameters }) => parameters.map(({ path }) => [path, empty] as const)),
  );
  expect(matchingVariant(translated, weights)?.variant).toBe('caffe');
  const { layers, ...others } = translated;
  const without = describeNetwork({
    name: others.name,
    input: others.input,
    layers: layers.filter(({ layer }) => layer.name !== 'norm1'),
  });
  expect(matchingVariant(without, weights)).toBeUndefined();
});

describe('a model without a word about its images', () => {
  it.each(['torchvision', 'caffe', 'caffenet'] as const)('has those of the published network: %s', async (variant) => {
    const { path, description, parameters } = await modelOf(variant);
    const read = (await readWeights(path)) as PublishedWeights;
    expect(read).toMatchObject({ form: { variant }, classes: 3, inputSize: 71 });
    expect(read.remarks.join()).toMatch(
      new RegExp(`computes what ${variant} does; its images are prepared as for the published`),
    );
    const { config, learnt } = await withLabels(await readNetwork(path), undefined);
    expect(config).toMatchObject({ model: { variant, inputSize: 71 }, data: { height: 256, width: 256 } });
    const { weights } = await learnt();
    const expected = fromPublished(path, read.tensors, read.form, description);
    expect(Object.keys(weights)).toEqual(Object.keys(expected));
    expect(Object.keys(weights).every((name) => areSame(weights[name]!, expected[name]!))).toBe(true);
    expect(areSame(weights['fc7.weight']!, parameters['fc7.weight']!)).toBe(true);
    // Blue comes first in Caffe's filters.
    const [own, theirs] = [weights, parameters].map((all) => all['conv1.weight']!.data);
    const area = 121;
    expect(own![0]).toBeCloseTo(variant === 'torchvision' ? theirs![0]! / 58.395 : theirs![2 * area]!, 6);
    expect(config.images.mean[0]).toBeCloseTo(variant === 'torchvision' ? 123.675 : 122.679, 3);
  });

  it('that is another network says what it is taken for', async () => {
    const { path } = await modelOf('small');
    const read = await readWeights(path);
    expect(read).toMatchObject({ form: 'own', model: { variant: 'small', mean: [123.675, 116.28, 103.53], scale: 1 } });
    const { remarks } = await readNetwork(path);
    expect(remarks.join()).toMatch(/does not say how its images are prepared; taken to be RGB pixels minus the mean/);
  });
});

/** A network of nobody's. */
const foreign = describeNetwork({
  name: 'foreign',
  input: [3, 20, 20],
  layers: [
    conv2d({ name: 'a', filters: 4, kernel: 5, stride: 3 }),
    relu({ name: 'b' }),
    dense({ name: 'c', units: 3 }),
  ],
});

describe('a network of no variant', () => {
  const preprocessing = { imageSize: [32, 32] as const, mean: [100, 110, 120], scale: 64 };
  const write = async () => {
    await writeFile(file('foreign.onnx'), writeOnnx(foreign, parametersOf(foreign), { preprocessing }));
    return file('foreign.onnx');
  };

  it('classifies, evaluates and gives features', async () => {
    const path = await write();
    await writeFile(file('cat.png'), png(90, 100, 30));
    await writeFile(file('labels'), 'ant\nbee\ncat\n');
    const classified = await runCommand([
      'classify',
      file('cat.png'),
      '--weights',
      path,
      '--labels',
      file('labels'),
      '--json',
    ]);
    expect(classified.code, classified.stderr).toBe(0);
    expect(
      JSON.parse(classified.stdout)[0]
        .labels.map(({ label }: { label: string }) => label)
        .sort(),
    ).toEqual(['ant', 'bee', 'cat']);
    await writeImages(file('images'), ['ant', 'bee', 'cat'], 8);
    const evaluated = await runCommand(['evaluate', '--weights', path, '--data', file('images'), '--json']);
    expect(evaluated.code, evaluated.stderr).toBe(0);
    expect(JSON.parse(evaluated.stdout)).toMatchObject({ learnt: { kind: 'published' } });
    const features = await runCommand([
      'features',
      file('cat.png'),
      '--weights',
      path,
      '--layer',
      'relu1',
      '--to',
      file('f.npy'),
      '--json',
    ]);
    expect(features.code, features.stderr).toBe(0);
    expect(JSON.parse(features.stdout).shape).toEqual([1, 4, 6, 6]);
  });

  it('cannot be imported or trained, and says so', async () => {
    const path = await write();
    await expect(startingPoint(path)).rejects.toThrow(ConfigError);
    await expect(startingPoint(path)).rejects.toThrow(/its layers are those of no network of this program/);
    const { code, stderr } = await runCommand(['import', path, '--to', file('x.safetensors')]);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/foreign.onnx: its layers are those of no network .*use the file itself/),
    ]);
  });
});

it('is where training may start from, its filters rescaled for the images of the run', async () => {
  const preprocessing = { imageSize: [32, 32] as const, mean: [100, 110, 120], scale: 32 };
  const { path, parameters } = await modelOf('small', { preprocessing });
  const start = await startingPoint(path);
  expect(start).toMatchObject({ variant: 'small', inputSize: 24, mean: [100, 110, 120], isPublished: false });
  const weights = start.weights(64);
  expect(weights['conv1.weight']!.data[5]).toBe(2 * parameters['conv1.weight']!.data[5]!);
  expect(weights['conv2.weight']).toEqual(parameters['conv2.weight']);
});

describe('a model that cannot be read is named:', () => {
  it.each<[string, (bytes: Buffer) => Buffer, RegExp]>([
    ['truncated', (bytes) => bytes.subarray(0, 1000), /broken.onnx: not a usable ONNX model: it is truncated/],
    [
      'damaged',
      (bytes) => Buffer.concat([bytes.subarray(0, 12), Buffer.alloc(50, 0xff)]),
      /broken.onnx: not a usable ONNX model/,
    ],
  ])('%s', async (_, damage, message) => {
    const { path } = await modelOf('small');
    await writeFile(file('broken.onnx'), damage(await readFile(path)));
    await expect(readWeights(file('broken.onnx'))).rejects.toThrow(CheckpointError);
    await expect(readWeights(file('broken.onnx'))).rejects.toThrow(message);
  });
});
