import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '@alex/tensor';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { readCaffeMean, readCaffemodel } from './caffemodel.js';

/** Caffe's own definition of its files, as far as we read them: src/caffe/proto/caffe.proto. */
const { root } = protobuf.parse(`
  syntax = "proto2";
  message BlobShape { repeated int64 dim = 1 [packed = true]; }
  message BlobProto {
    optional BlobShape shape = 7;
    repeated float data = 5 [packed = true];
    repeated float diff = 6 [packed = true];
    repeated double double_data = 8 [packed = true];
    optional int32 num = 1; optional int32 channels = 2; optional int32 height = 3; optional int32 width = 4;
  }
  message SingleFloats { repeated float data = 5 [packed = false]; optional int32 num = 1; optional int32 channels = 2;
    optional int32 height = 3; optional int32 width = 4; }
  message V0LayerParameter { optional string name = 1; }
  message V1LayerParameter {
    repeated string bottom = 2; repeated string top = 3; optional V0LayerParameter layer = 1;
    optional string name = 4; optional int32 type = 5; repeated BlobProto blobs = 6; repeated float blobs_lr = 7;
  }
  message LayerParameter { optional string name = 1; optional string type = 2; repeated string bottom = 3;
    repeated BlobProto blobs = 7; }
  message NetParameter { optional string name = 1; repeated V1LayerParameter layers = 2; repeated string input = 3;
    repeated int32 input_dim = 4; optional bool force_backward = 5; repeated LayerParameter layer = 100; }
`);
const encode = (type: string, value: object) => {
  const message = root.lookupType(type);
  return message.encode(message.fromObject(value)).finish();
};

const directory = temporaryFolder();
let count = 0;

async function fileOf(bytes: Uint8Array): Promise<string> {
  const path = join(directory, `${count++}.caffemodel`);
  await writeFile(path, bytes);
  return path;
}

const ramp = (length: number) => Array.from({ length }, (_, i) => Math.fround(i / 8 - 3));

describe('readCaffemodel', () => {
  it('reads files of 2014: layers with four sizes per blob', async () => {
    // Larger than the read buffer.
    const long = ramp(20_000);
    const bytes = encode('NetParameter', {
      name: 'AlexNet',
      input: ['data'],
      inputDim: [10, 3, 227, 227],
      forceBackward: true,
      layers: [
        { name: 'data', type: 5, top: ['data', 'label'] },
        {
          name: 'conv1',
          type: 4,
          bottom: ['data'],
          blobsLr: [1, 2],
          blobs: [
            { num: 2, channels: 3, height: 1, width: 2, data: ramp(12), diff: ramp(12) },
            { num: 1, channels: 1, height: 1, width: 2, data: [0.5, -1] },
          ],
        },
        { name: 'fc6', type: 14, blobs: [{ num: 1, channels: 1, height: 200, width: 100, data: long }] },
      ],
    });
    const { tensors } = await readCaffemodel(await fileOf(bytes));
    expect(Object.keys(tensors)).toEqual(['conv1.weight', 'conv1.bias', 'fc6.weight']);
    expect(tensors['conv1.weight']).toEqual({ shape: [2, 3, 1, 2], data: Float32Array.from(ramp(12)) });
    expect(tensors['conv1.bias']).toEqual({ shape: [1, 1, 1, 2], data: Float32Array.of(0.5, -1) });
    expect(tensors['fc6.weight']).toEqual({ shape: [1, 1, 200, 100], data: Float32Array.from(long) });
  });

  it('reads later files, and numbers of 8 bytes or unpacked', async () => {
    const long = Array.from({ length: 9000 }, (_, i) => i / 7);
    const bytes = encode('NetParameter', {
      layer: [
        {
          name: 'fc8',
          type: 'InnerProduct',
          blobs: [
            { shape: { dim: [2, 3] }, data: ramp(6) },
            { shape: { dim: [9000] }, doubleData: long },
            { shape: { dim: [1] }, data: [4] },
          ],
        },
      ],
    });
    const { tensors } = await readCaffemodel(await fileOf(bytes));
    expect(tensors['fc8.weight']).toEqual({ shape: [2, 3], data: Float32Array.from(ramp(6)) });
    expect(tensors['fc8.bias']!.data).toEqual(Float32Array.from(long));
    expect(tensors['fc8.blob2']!.data).toEqual(Float32Array.of(4));
    const single = encode('SingleFloats', { num: 1, channels: 1, height: 1, width: 3, data: [1, 2, 3] });
    expect(await readCaffeMean(await fileOf(single))).toEqual({ shape: [1, 1, 1, 3], data: Float32Array.of(1, 2, 3) });
  });

  it('reads a mean image', async () => {
    const mean = { num: 1, channels: 3, height: 2, width: 2, data: ramp(12) };
    const tensor = await readCaffeMean(await fileOf(encode('BlobProto', mean)));
    expect(tensor).toEqual({ shape: [1, 3, 2, 2], data: Float32Array.from(ramp(12)) });
  });

  it('reports missing and truncated files, and unknown and old formats', async () => {
    const refused = async (bytes: Uint8Array, message: RegExp) => {
      const reading = readCaffemodel(await fileOf(bytes));
      await expect(reading).rejects.toThrow(CheckpointError);
      await expect(reading).rejects.toThrow(message);
    };
    await expect(readCaffemodel(join(directory, 'none'))).rejects.toThrow(/none: could not be read: there is no such/);
    const layer = { name: 'conv1', blobs: [{ shape: { dim: [4] }, data: ramp(4) }] };
    const whole = encode('NetParameter', { layer: [layer] });
    for (let length = 1; length < whole.length; length++) await refused(whole.subarray(0, length), /truncated/);
    await refused(new Uint8Array(), /no layers with weights/);
    await refused(Buffer.from('PK\x03\x04 a zip file, from somewhere else'), /not a usable caffemodel/);
    await refused(Uint8Array.of(0, 0, 0, 0), /no protobuf field begins at its byte 0/);
    await refused(
      encode('NetParameter', { layer: [{ name: 'fc', blobs: [{ shape: { dim: [5] }, data: ramp(4) }] }] }),
      /fc.weight has the shape \[5\], which its 4 numbers do not fit/,
    );
    await refused(encode('NetParameter', { layer: [layer, layer] }), /conv1.weight twice/);
    await refused(encode('NetParameter', { layers: [{ layer: { name: 'conv1' } }] }), /upgrade_net_proto_binary/);
  });
});
