import { DataError } from '@alex/tensor';
import { threefry2x32 } from '@alex/tensor/kernels';
import { pack } from 'tar-stream';
import { readMatFile } from './prepare/mat-file.js';
import { tarMembers } from './prepare/tar.js';
import { decodeIndex, encodeIndex } from './prepared/index-file.js';
import { parseManifest } from './prepared/manifest.js';

// Feeds damaged files to the readers. A few thousand inputs run with the tests; for more, run
//   npm run fuzz -- 100000

/** The number of inputs, and the seed of their mutations. */
export interface Fuzzing {
  readonly inputs: number;
  readonly seed: number;
}

export interface FuzzingResult {
  /** Inputs that were read successfully. */
  read: number;
  /** Inputs that were refused with a `DataError`. Any other error ends the fuzzing. */
  refused: number;
}

/** Anything slower counts as a hang: valid inputs of these sizes take microseconds. */
const mostMilliseconds = 2000;

/** Archives. All reads must stay within them. */
export async function fuzzTar(fuzzing: Fuzzing): Promise<FuzzingResult> {
  const packed = pack();
  packed.entry({ name: 'n01440764/a.JPEG' }, Buffer.alloc(700, 7));
  packed.entry({ name: `${'long/'.repeat(60)}b.JPEG` }, Buffer.alloc(20, 8));
  packed.entry({ name: 'ä.JPEG' }, Buffer.alloc(512, 9));
  packed.entry({ name: 'folder', type: 'directory' });
  packed.entry({ name: 'c.cls' }, Buffer.from('3'));
  packed.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of packed) chunks.push(chunk as Buffer);
  return fuzz(fuzzing, Buffer.concat(chunks), (content) => {
    const bytes = {
      name: 'mutated.tar',
      length: content.length,
      read(target: Uint8Array, position: number) {
        if (position < 0 || position + target.length > content.length) throw new Error(`read at ${position}`);
        target.set(content.subarray(position, position + target.length));
      },
    };
    for (const { offset, length } of tarMembers(bytes)) {
      if (!(offset >= 0 && length >= 0 && offset + length <= content.length)) throw new Error(`member at ${offset}`);
    }
  });
}

/** Indices of shards. All reads must stay within the shards. */
export function fuzzIndex(fuzzing: Fuzzing): Promise<FuzzingResult> {
  const shards = [
    { images: 3, bytes: 8192 },
    { images: 2, bytes: 4096 },
  ];
  const entries = [0, 1, 2, 0, 1].map((i) => [512 + 1024 * i, 300 + i, i, 12345 + i] as const);
  return fuzz(fuzzing, encodeIndex(entries), (content) => {
    const { offsets, lengths, labels } = decodeIndex('mutated.index', Buffer.from(content), shards, 10);
    offsets.forEach((offset, i) => {
      const { bytes } = shards[i < 3 ? 0 : 1]!;
      if (offset + lengths[i]! > bytes || labels[i]! >= 10) throw new Error(`image ${i} at ${offset}`);
    });
  });
}

/** `dataset.json`. */
export function fuzzManifest(fuzzing: Fuzzing): Promise<FuzzingResult> {
  return fuzz(fuzzing, Buffer.from(JSON.stringify(exampleManifest)), (content) => {
    parseManifest('dataset.json', Buffer.from(content).toString('utf8'));
  });
}

/** MATLAB files, starting from the contents of `mat`. */
export function fuzzMat(fuzzing: Fuzzing, mat: Uint8Array): Promise<FuzzingResult> {
  return fuzz(fuzzing, Buffer.from(mat), (content) => {
    readMatFile('mutated.mat', content);
  });
}

const file = { file: 'train.index', bytes: 96, sha256: '0'.repeat(64) };
const split = { images: 5, rejected: 0, index: file, shards: [{ ...file, file: 'train-000000.tar', images: 5 }] };
/** A `dataset.json` with two classes of grey images. */
export const exampleManifest = {
  format: 'alex-dataset',
  version: 1,
  name: 'example',
  source: { kind: 'folder', from: ['example'] },
  fingerprint: 'f'.repeat(64),
  preprocessing: { description: 'none', size: 2, channels: 1, encoding: 'png', tools: { sharp: '1' } },
  classes: [
    { id: 'a', name: 'A' },
    { id: 'b', name: 'B' },
  ],
  splits: { train: split, validation: split },
  statistics: { meanImage: file, mean: [1], covariance: [[1]], standardDeviations: [1], axes: [[1]] },
};

async function fuzz({ inputs, seed }: Fuzzing, honest: Buffer, use: (content: Uint8Array) => void) {
  const result: FuzzingResult = { read: 0, refused: 0 };
  for (let input = 0; input < inputs; input++) {
    const content = mutated(honest, seed, input);
    const begin = performance.now();
    try {
      use(content);
      result.read++;
    } catch (error) {
      if (!(error instanceof DataError)) throw new Error(`input ${input} of seed ${seed}`, { cause: error });
      result.refused++;
    }
    const took = performance.now() - begin;
    if (took > mostMilliseconds) throw new Error(`input ${input} of seed ${seed} took ${took} ms`);
  }
  return result;
}

/**
 * One to eight mutations: bytes and bits flipped, runs copied or zeroed, bytes cut out or off, numbers made extreme.
 */
function mutated(honest: Buffer, seed: number, input: number): Uint8Array {
  let content = Buffer.from(honest);
  let draw = 0;
  const below = (count: number) => Math.floor((threefry2x32(seed, 0, input, draw++)[0] / 2 ** 32) * count);
  for (let change = 1 + below(8); change > 0 && content.length > 0; change--) {
    // Headers are a small but important part of an archive, so half of the mutations hit the start of a block.
    const anywhere = below(content.length);
    const at = below(2) === 0 ? anywhere : Math.min(content.length - 1, anywhere - (anywhere % 512) + below(265));
    const length = Math.min(content.length - at, 1 + below(64));
    switch (below(8)) {
      case 0:
        content[at] = below(256);
        break;
      case 1:
        content[at]! ^= 1 << below(8);
        break;
      case 2:
        content.fill(below(2) === 0 ? 0 : 255, at, at + length);
        break;
      case 3:
        content.copy(content, below(content.length), at, at + length);
        break;
      case 4:
        content = Buffer.concat([content.subarray(0, at), content.subarray(at + length)]);
        break;
      case 5:
        content = Buffer.from(content.subarray(0, at));
        break;
      case 6:
        content.write(['77777777777', '00000000000', '-0000000001', '1e9', '{}', '../'][below(6)]!, at, 'latin1');
        break;
      default:
        withRightSum(content, at - (at % 512));
    }
  }
  // So that the reader gets past the checksum.
  if (below(2) === 0) for (let at = 0; at + 512 <= content.length; at += 512) withRightSum(content, at);
  return content;
}

/** Corrects the checksum of a tar header. */
function withRightSum(content: Buffer, at: number): void {
  if (at + 512 > content.length || content.toString('latin1', at + 257, at + 262) !== 'ustar') return;
  content.write('        ', at + 148, 'latin1');
  const sum = content.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
  content.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1');
}
