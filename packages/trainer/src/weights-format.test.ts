import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { CheckpointError } from '@alex/tensor';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { writeSafetensors } from './safetensors.js';
import { weightsFormat } from './weights-format.js';

const directory = temporaryFolder();
let count = 0;

async function fileOf(content: string | Uint8Array): Promise<string> {
  const path = join(directory, `weights ${count++}`);
  await writeFile(path, content);
  return path;
}

/** The beginning of a zip whose first entry, empty and uncompressed, has this name. */
function zipOf(name: string): Buffer {
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50);
  header.writeUInt16LE(20, 4);
  header.writeUInt16LE(name.length, 26);
  return Buffer.concat([header, Buffer.from(name), Buffer.alloc(100)]);
}

function tarOf(name: string): Buffer {
  const block = Buffer.alloc(1024);
  block.write(name);
  block.write('ustar\0', 257);
  return block;
}

it('recognizes safetensors and caffemodels', async () => {
  const path = join(directory, 'own');
  await writeSafetensors(path, { x: { shape: [1], data: Float32Array.of(1) } });
  expect(await weightsFormat(path)).toBe('safetensors');
  // A name, old layers, new layers.
  for (const head of [
    [0x0a, 7],
    [0x12, 9],
    [0xa2, 0x06, 9],
  ]) {
    expect(await weightsFormat(await fileOf(Buffer.from([...head, ...Buffer.from('AlexNet\x12\x00\x08')])))).toBe(
      'caffemodel',
    );
  }
  // A name whose length is the code of a letter.
  const named = Buffer.from(`\x0a!${'bvlc_reference_caffenet_finetuned'}\x12\x00`, 'latin1');
  expect(await weightsFormat(await fileOf(named))).toBe('caffemodel');
});

it.each<[string, string | Uint8Array, RegExp]>([
  ['nothing', '', /is empty; download it again/],
  [
    'a pointer',
    'version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n',
    /is a Git LFS pointer, .*run git lfs pull/,
  ],
  ['a page', '<!DOCTYPE html>\n<html lang="en">', /is a web page, not weights; .*open it in a browser/],
  ['an error of a server', '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', /is a web page/],
  ['gzip', gzipSync('weights'), /is compressed by gzip; unpack it with gunzip/],
  ['a tar archive', tarOf('alexnet/weights.bin'), /is a tar archive; unpack it/],
  [
    'a file of PyTorch',
    zipOf('alexnet-owt-7be5be79/data.pkl'),
    /is a PyTorch file \(torch\.save\); save it as safetensors: python -c/,
  ],
  [
    'an old file of PyTorch',
    Buffer.from('\x80\x02\x8a\x0al\xfc\x9cF\xf9', 'latin1'),
    /is a pickle, .*python -c ".*" '.*weights \d+'$/,
  ],
  ['a file of NumPy', zipOf('arr_0.npy'), /is a NumPy file \(\.npz\)/],
  ['an array of NumPy', Buffer.from('\x93NUMPY\x01\x00v\x00{', 'latin1'), /is a NumPy array/],
  ['a file of Keras', zipOf('metadata.json'), /is a Keras file/],
  ['another zip', zipOf('photographs/cat.jpg'), /is a zip archive; unpack it/],
  ['HDF5', Buffer.from('\x89HDF\r\n\x1a\n\x00\x00', 'latin1'), /is an HDF5 file/],
  ['the index of a split file', '{"metadata": {}, "weight_map": {"a": "b"}}', /is the index of weights that are split/],
  ['JSON', '{"error": "not found"}', /is JSON/],
  ["Caffe's mean image", Buffer.from('\x08\x01\x10\x03\x18\x80\x02', 'latin1'), /is a Caffe mean image, .*--mean/],
  ['a prototxt', 'name: "AlexNet"\nlayer {\n  name: "data"\n', /describes a network or a solver in text/],
  ['a photograph', Buffer.from('\xff\xd8\xff\xe0\x00\x10JFIF', 'latin1'), /is an image; give a weights file/],
  ['text', 'not any weights at all\n', /is text/],
  ['noise', Buffer.from([0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54]), /is not a supported weights format/],
])('says what %s is', async (_, content, message) => {
  const reading = weightsFormat(await fileOf(content));
  await expect(reading).rejects.toThrow(CheckpointError);
  await expect(reading).rejects.toThrow(message);
});

it('knows an ONNX model by its first bytes', async () => {
  for (const begin of ['\x08\x07\x12\x07pytorch\x1a\x051.9.0', '\x08\x03:\x04', '\x08\x08B\x02\x10\x11']) {
    expect(await weightsFormat(await fileOf(Buffer.from(begin, 'latin1')))).toBe('onnx');
  }
});

it('says that a folder is a folder, and that a file is missing', async () => {
  const folder = join(directory, 'folder');
  await mkdir(folder);
  await expect(weightsFormat(folder)).rejects.toThrow(/folder: is a folder; give the weights file in it/);
  await writeFile(join(folder, 'config.json'), '{}');
  await expect(weightsFormat(folder)).rejects.toThrow(/folder: is the directory of a run; give it with --run/);
  await expect(weightsFormat(join(directory, 'none'))).rejects.toThrow(/none: could not be read: there is no such/);
});

it('shows a command that works for any file name', async () => {
  const path = join(directory, "it's $& #1.pth");
  await writeFile(path, Buffer.from('\x80\x02', 'latin1'));
  const message = await weightsFormat(path).catch((error: Error) => error.message);
  const [, program, argument] = /python -c "(.*)" (.*)$/.exec(message as string)!;
  const shown = execFileSync('sh', ['-c', `printf %s ${argument}`], { encoding: 'utf8' });
  expect(shown).toBe(path);
  expect(program).toContain('save_file(');
});
