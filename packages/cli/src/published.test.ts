import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { alexnet, publishedForms } from '@alex/model-alexnet';
import { CheckpointError, ConfigError, type HostTensor } from '@alex/tensor';
import { floatsFromBase64, writeSafetensors } from '@alex/trainer';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { parseMix } from './mix-option.js';
import { readNetwork } from './network-in-file.js';
import { publishedNetwork, readLabels } from './published.js';
import { readWeights } from './read-weights.js';
import type { PublishedWeights } from './weights.js';

const directory = temporaryFolder();

const file = (name: string) => join(directory, name);
const tensorOf = (...shape: number[]): HostTensor => ({
  shape,
  data: new Float32Array(shape.reduce((product, size) => product * size, 1)),
});

/** The weights of a published network at full width take 240 MB; these have only the shapes. */
function weightsOf(form: 'torchvision' | 'caffe', classes = 2): PublishedWeights {
  const names: Readonly<Record<string, string>> = publishedForms[form].layers;
  const tensors = Object.fromEntries(
    alexnet({ variant: form, classes }).layers.flatMap(({ layer, parameters }) =>
      parameters.map(({ name, shape }) => [
        `${names[layer.name]}.${name}`,
        // Only the values of the first layer are used.
        layer.name === 'conv1' ? tensorOf(...shape) : { shape: [...shape], data: new Float32Array() },
      ]),
    ),
  );
  return { file: 'weights', form: publishedForms[form], tensors, classes, remarks: [] };
}

describe('a file of published weights', () => {
  it('is recognized by its content', async () => {
    await writeSafetensors(file('a.bin'), {
      ...{ 'classifier.6.weight': tensorOf(7, 2), 'classifier.6.bias': tensorOf(7), 'features.0.bias': tensorOf(64) },
    });
    const torchvision = await readWeights(file('a.bin'));
    expect(torchvision).toMatchObject({ classes: 7, form: { variant: 'torchvision' } });
    const { root } = protobuf.parse(`syntax = "proto2";
      message Blob { repeated float data = 5 [packed = true]; optional int32 width = 4; optional int32 num = 1;
        optional int32 channels = 2; optional int32 height = 3; }
      message Layer { optional string name = 4; repeated Blob blobs = 6; }
      message Net { repeated Layer layers = 2; }`);
    const net = root.lookupType('Net');
    const blob = (length: number) => ({
      num: 1,
      channels: 1,
      height: 1,
      width: length,
      data: new Array(length).fill(1),
    });
    const content = net.encode(net.fromObject({ layers: [{ name: 'fc8', blobs: [blob(9), blob(3)] }] })).finish();
    await writeFile(file('b.bin'), content);
    expect(await readWeights(file('b.bin'))).toMatchObject({ classes: 3, form: { variant: 'caffe' } });
  });

  it('of another kind is refused', async () => {
    const refused = async (name: string, content: Uint8Array | undefined, message: RegExp) => {
      if (content) await writeFile(file(name), content);
      const reading = readNetwork(file(name));
      await expect(reading).rejects.toThrow(CheckpointError);
      await expect(reading).rejects.toThrow(message);
    };
    await refused('missing', undefined, /missing: could not be read/);
    await refused('alexnet.pth', Buffer.from('PK\x03\x04rest'), /is a zip archive; .*torch.save/);
    await refused('words.txt', Buffer.from('not any weights at all'), /is text; give a weights file/);
    await writeSafetensors(file('foreign'), { 'fc8.bias': tensorOf(7) });
    await refused(
      'foreign',
      undefined,
      /classifier.6.weight, the last layer of torchvision, is missing; .* torchvision's tensor names/,
    );
    await writeSafetensors(file('own'), { 'conv1.weight': tensorOf(7) });
    await refused('own', undefined, /contains weights of a run of this program .*give the run's directory with --run/);
    const double = Buffer.from(
      JSON.stringify({ 'classifier.6.bias': { dtype: 'F64', shape: [2], data_offsets: [0, 16] } }),
    );
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(double.length));
    await refused(
      'double',
      Buffer.concat([length, double, Buffer.alloc(16)]),
      /classifier.6.bias contains F64.*convert it first/,
    );
  });
});

/** A caffemodel whose layers have no blobs, except the last, in the format of 2014 or today's. */
async function caffemodel(name: string, types: readonly string[], old = false): Promise<string> {
  const { root } = protobuf.parse(`syntax = "proto2";
    message Shape { repeated int64 dim = 1 [packed = true]; }
    message Blob { repeated float data = 5 [packed = true]; optional Shape shape = 7; }
    message Old { optional string name = 4; optional int32 type = 5; repeated Blob blobs = 6; }
    message Layer { optional string name = 1; optional string type = 2; repeated Blob blobs = 7; }
    message Net { optional string name = 1; repeated Old layers = 2; repeated Layer layer = 100; }`);
  const net = root.lookupType('Net');
  const numbers: Record<string, number> = { Convolution: 4, InnerProduct: 14, LRN: 15, Pooling: 17, ReLU: 18 };
  const blob = (...dim: number[]) => ({ shape: { dim }, data: new Array(dim.reduce((a, b) => a * b, 1)).fill(1) });
  const layers = [...types, 'InnerProduct'].map((type, index, all) => ({
    name: index === all.length - 1 ? 'fc8' : `layer${index}`,
    type: old ? numbers[type] : type,
    ...(index === all.length - 1 && { blobs: [blob(2, 3), blob(2)] }),
  }));
  const path = file(`${name} ${types.join(' ')}`);
  await writeFile(path, net.encode(net.fromObject({ name, [old ? 'layers' : 'layer']: layers })).finish());
  return path;
}

describe('a caffemodel', () => {
  const alexNet = ['Convolution', 'ReLU', 'LRN', 'Pooling'];
  const caffeNet = ['Convolution', 'ReLU', 'Pooling', 'LRN'];

  it.each([false, true])('is distinguished from its relative by the order of its layers (of 2014: %s)', async (old) => {
    // Whatever its author named it.
    const alex = await readWeights(await caffemodel('CaffeNet', alexNet, old));
    expect(alex).toMatchObject({ form: { variant: 'caffe' }, classes: 2, remarks: [] });
    const caffe = await readWeights(await caffemodel('AlexNet', caffeNet, old));
    expect(caffe).toMatchObject({ form: { variant: 'caffenet' }, classes: 2, remarks: [] });
  });

  it('without these layers is identified by its name, with a message', async () => {
    const named = await readWeights(await caffemodel('my CaffeNet', ['Convolution']));
    expect(named).toMatchObject({ form: { variant: 'caffenet' } });
    expect(named.remarks.join()).toMatch(/assumed to be caffenet, by its name my CaffeNet\./);
    const nameless = await readWeights(await caffemodel('', ['Convolution']));
    expect(nameless.remarks.join()).toMatch(/does not say whether .*assumed to be caffe\./);
  });

  it('of another network is refused', async () => {
    const reading = readWeights(await caffemodel('VGG', ['Convolution', 'ReLU', 'Pooling']));
    await expect(reading).rejects.toThrow(CheckpointError);
    await expect(reading).rejects.toThrow(/VGG has pooling but no normalization across maps/);
  });
});

describe('a published network', () => {
  const images = { classes: ['cat', 'dog'], height: 4, width: 4 };

  it('subtracts the mean image that it was trained with', async () => {
    const { config } = await publishedNetwork(weightsOf('torchvision'), images);
    expect(config.model).toEqual({ variant: 'torchvision', inputSize: 224 });
    expect(config.images).toMatchObject({ mean: [123.675, 116.28, 103.53], scale: 1, crop: 'centre' });
    const { root } = protobuf.parse(`syntax = "proto2"; message Blob { repeated float data = 5 [packed = true];
      optional int32 num = 1; optional int32 channels = 2; optional int32 height = 3; optional int32 width = 4; }`);
    const blob = root.lookupType('Blob');
    const mean = (height: number) => ({
      ...{ num: 1, channels: 3, height, width: 4 },
      data: Array.from({ length: 12 * height }, (_, i) => i),
    });
    await writeFile(file('mean'), blob.encode(blob.fromObject(mean(4))).finish());
    const caffe = await publishedNetwork(weightsOf('caffe'), images, file('mean'));
    // Blue, green and red of the file are the third, second and first channel of the run.
    const turned = [2, 1, 0].flatMap((channel) => Array.from({ length: 16 }, (_, i) => 16 * channel + i));
    expect([...floatsFromBase64(caffe.config.images.meanImage!)]).toEqual(turned);
    await writeFile(file('small'), blob.encode(blob.fromObject(mean(3))).finish());
    const small = publishedNetwork(weightsOf('caffe'), images, file('small'));
    await expect(small).rejects.toThrow(/shape \[1, 3, 3, 4\], the images need \[3, 4, 4\]/);
    await expect(publishedNetwork(weightsOf('torchvision'), images, file('mean'))).rejects.toThrow(/only Caffe's/);
  });

  it('requires images of the same number of classes', async () => {
    const asked = publishedNetwork(weightsOf('caffe', 3), images);
    await expect(asked).rejects.toThrow(ConfigError);
    await expect(asked).rejects.toThrow(/has 3 classes, but the images have 2/);
  });

  it('has names for its classes, or numbers', async () => {
    await writeFile(file('labels'), '\uFEFFn01440764 tench, Tinca tinca\r\ngoldfish\n\n');
    expect(await readLabels(file('labels'), 2)).toEqual(['tench, Tinca tinca', 'goldfish']);
    await writeFile(file('labels'), '\ufefftench\r\ngoldfish\r\n');
    expect(await readLabels(file('labels'), 2)).toEqual(['tench', 'goldfish']);
    expect(await readLabels(undefined, 2)).toEqual(['class 0', 'class 1']);
    await expect(readLabels(file('labels'), 3)).rejects.toThrow(/has 2 lines, but the network has 3 classes/);
    await expect(readLabels(file('none'), 3)).rejects.toThrow(ConfigError);
  });
});

describe('--mix', () => {
  it('prints the weights of the runs', () => {
    expect(parseMix(undefined, 2)).toEqual({ kind: 'equal' });
    expect(parseMix('search', 2)).toEqual({ kind: 'search', goal: 'top5' });
    expect(parseMix('search:loss', 2)).toEqual({ kind: 'search', goal: 'loss' });
    expect(parseMix('0.5, 1.5', 2)).toEqual({ kind: 'fixed', weights: [0.5, 1.5] });
    for (const one of ['equal', 'search', '1']) expect(() => parseMix(one, 1)).toThrow(/there is only one run/);
    for (const wrong of [
      '',
      'best',
      'search:',
      'search:top3',
      '1',
      '1,2,3',
      '1,-1',
      '0,0',
      '1,',
      '1,x',
      '1,Infinity',
    ]) {
      expect(() => parseMix(wrong, 2)).toThrow(ConfigError);
    }
  });
});
