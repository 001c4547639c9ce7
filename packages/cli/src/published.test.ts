import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { alexnet, publishedForms } from '@alex/model-alexnet';
import { CheckpointError, ConfigError, type HostTensor } from '@alex/tensor';
import { writeSafetensors } from '@alex/trainer';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { floatsFromBase64 } from './base64.js';
import { parseMix } from './mix-option.js';
import { type PublishedWeights, publishedNetwork, readLabels, readPublishedWeights } from './published.js';

const directory = temporaryFolder();

const file = (name: string) => join(directory, name);
const tensorOf = (...shape: number[]): HostTensor => ({
  shape,
  data: new Float32Array(shape.reduce((product, size) => product * size, 1)),
});

/** Weights of a published network at full width take 240 MB; these have the shapes alone. */
function weightsOf(form: 'torchvision' | 'caffe', classes = 2): PublishedWeights {
  const names: Readonly<Record<string, string>> = publishedForms[form].layers;
  const tensors = Object.fromEntries(
    alexnet({ variant: form, classes }).layers.flatMap(({ layer, parameters }) =>
      parameters.map(({ name, shape }) => [
        `${names[layer.name]}.${name}`,
        // Only the first layer's numbers are looked at.
        layer.name === 'conv1' ? tensorOf(...shape) : { shape: [...shape], data: new Float32Array() },
      ]),
    ),
  );
  return { file: 'weights', form: publishedForms[form], tensors, classes };
}

describe('a file of published weights', () => {
  it('is known by its content', async () => {
    await writeSafetensors(file('a.bin'), { 'classifier.6.bias': tensorOf(7), 'features.0.bias': tensorOf(64) });
    const torchvision = await readPublishedWeights(file('a.bin'));
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
    expect(await readPublishedWeights(file('b.bin'))).toMatchObject({ classes: 3, form: { variant: 'caffe' } });
  });

  it('of another kind is refused', async () => {
    const refused = async (name: string, content: Uint8Array | undefined, message: RegExp) => {
      if (content) await writeFile(file(name), content);
      const reading = readPublishedWeights(file(name));
      await expect(reading).rejects.toThrow(CheckpointError);
      await expect(reading).rejects.toThrow(message);
    };
    await refused('missing', undefined, /missing: could not be read/);
    await refused('alexnet.pth', Buffer.from('PK\x03\x04rest'), /torch.save\); save it as safetensors first/);
    await refused('words.txt', Buffer.from('not any weights at all'), /not a usable caffemodel/);
    await writeSafetensors(file('own'), { 'fc8.bias': tensorOf(7) });
    await refused('own', undefined, /classifier.6.bias is missing; .* as torchvision's alexnet does/);
    const double = Buffer.from(
      JSON.stringify({ 'classifier.6.bias': { dtype: 'F64', shape: [2], data_offsets: [0, 16] } }),
    );
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(double.length));
    await refused(
      'double',
      Buffer.concat([length, double, Buffer.alloc(16)]),
      /classifier.6.bias holds F64.*convert it first/,
    );
  });
});

describe('a published network', () => {
  const images = { classes: ['cat', 'dog'], height: 4, width: 4 };

  it('subtracts the mean that it was trained with', async () => {
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
    // Blue, green, red of the file are the third, second and first of the run.
    const turned = [2, 1, 0].flatMap((channel) => Array.from({ length: 16 }, (_, i) => 16 * channel + i));
    expect([...floatsFromBase64(caffe.config.images.meanImage!)]).toEqual(turned);
    await writeFile(file('small'), blob.encode(blob.fromObject(mean(3))).finish());
    const small = publishedNetwork(weightsOf('caffe'), images, file('small'));
    await expect(small).rejects.toThrow(/shape \[1, 3, 3, 4\], the images need \[3, 4, 4\]/);
    await expect(publishedNetwork(weightsOf('torchvision'), images, file('mean'))).rejects.toThrow(/only Caffe's/);
  });

  it('wants images of as many classes', async () => {
    const asked = publishedNetwork(weightsOf('caffe', 3), images);
    await expect(asked).rejects.toThrow(ConfigError);
    await expect(asked).rejects.toThrow(/tells 3 classes apart, the images have 2/);
  });

  it('has names for its classes, or numbers', async () => {
    await writeFile(file('labels'), '\uFEFFn01440764 tench, Tinca tinca\r\ngoldfish\n\n');
    expect(await readLabels(file('labels'), 2)).toEqual(['tench, Tinca tinca', 'goldfish']);
    expect(await readLabels(undefined, 2)).toEqual(['class 0', 'class 1']);
    await expect(readLabels(file('labels'), 3)).rejects.toThrow(/has 2 lines, the network tells 3 classes apart/);
    await expect(readLabels(file('none'), 3)).rejects.toThrow(ConfigError);
  });
});

describe('--mix', () => {
  it('says how runs are weighed', () => {
    expect(parseMix(undefined, 2)).toEqual({ kind: 'equal' });
    expect(parseMix('search', 2)).toEqual({ kind: 'search', goal: 'top5' });
    expect(parseMix('search:loss', 2)).toEqual({ kind: 'search', goal: 'loss' });
    expect(parseMix('0.5, 1.5', 2)).toEqual({ kind: 'fixed', weights: [0.5, 1.5] });
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
