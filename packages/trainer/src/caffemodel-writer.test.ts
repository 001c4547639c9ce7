import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, ShapeError } from '@alex/tensor';
import protobuf from 'protobufjs';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { readCaffeMean, readCaffemodel } from './caffemodel.js';
import { writeCaffeMean, writeCaffemodel } from './caffemodel-writer.js';

const directory = temporaryFolder();
const tensor = (...shape: number[]) => ({
  shape,
  data: Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, (_, i) => i / 4 - 1),
});
const model = {
  name: 'AlexNet',
  layers: [
    { name: 'conv1', type: 'Convolution' },
    { name: 'relu1', type: 'ReLU' },
    { name: 'fc8', type: 'InnerProduct' },
  ],
  tensors: { 'conv1.weight': tensor(2, 3, 1, 2), 'conv1.bias': tensor(2), 'fc8.weight': tensor(4, 2) },
};

it('writes what readCaffemodel reads', async () => {
  const path = join(directory, 'model.caffemodel');
  await writeCaffemodel(path, model);
  expect(await readCaffemodel(path)).toEqual(model);
});

it("writes what Caffe's own definition describes", async () => {
  const path = join(directory, 'defined.caffemodel');
  await writeCaffemodel(path, model);
  const { root } = protobuf.parse(`syntax = "proto2";
    message BlobShape { repeated int64 dim = 1 [packed = true]; }
    message BlobProto { optional BlobShape shape = 7; repeated float data = 5 [packed = true]; }
    message LayerParameter { optional string name = 1; optional string type = 2; repeated BlobProto blobs = 7; }
    message NetParameter { optional string name = 1; repeated LayerParameter layer = 100; }`);
  const net = root.lookupType('NetParameter');
  const read = net.toObject(net.decode(await readFile(path)), { longs: Number });
  expect(read).toEqual({
    name: 'AlexNet',
    layer: [
      {
        name: 'conv1',
        type: 'Convolution',
        blobs: [
          { shape: { dim: [2, 3, 1, 2] }, data: [...tensor(2, 3, 1, 2).data] },
          { shape: { dim: [2] }, data: [-1, -0.75] },
        ],
      },
      { name: 'relu1', type: 'ReLU' },
      { name: 'fc8', type: 'InnerProduct', blobs: [{ shape: { dim: [4, 2] }, data: [...tensor(4, 2).data] }] },
    ],
  });
});

it('writes a mean image', async () => {
  const path = join(directory, 'mean.binaryproto');
  await writeCaffeMean(path, tensor(1, 3, 2, 5));
  expect(await readCaffeMean(path)).toEqual(tensor(1, 3, 2, 5));
});

it('names what cannot be written', async () => {
  const lost = writeCaffemodel(join(directory, 'none', 'model.caffemodel'), model);
  await expect(lost).rejects.toThrow(CheckpointError);
  await expect(lost).rejects.toThrow(/could not be written: there is no such file or directory/);
  const wrong = { ...model, tensors: { 'conv1.bias': { shape: [3], data: new Float32Array(2) } } };
  await expect(writeCaffemodel(join(directory, 'x'), wrong)).rejects.toThrow(ShapeError);
});
