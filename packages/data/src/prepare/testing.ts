import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { pack } from 'tar-stream';
import { ZipFile } from 'yazl';
import type { SourceContext } from './source.js';

/** Writes files by their paths within a folder. */
export async function writeFiles(folder: string, files: Readonly<Record<string, Buffer | string>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
}

/** A tar archive of some files, in this order. */
export async function tarOf(files: Readonly<Record<string, Buffer | string>>): Promise<Buffer> {
  const packed = pack();
  for (const [name, content] of Object.entries(files)) packed.entry({ name }, content);
  packed.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of packed) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** A zip archive of some files, in this order: every other one stored, the others deflated. */
export async function zipOf(files: Readonly<Record<string, Buffer | string>>, zip64 = false): Promise<Buffer> {
  const zip = new ZipFile();
  for (const [i, [name, content]] of Object.entries(files).entries()) {
    zip.addBuffer(Buffer.from(content), name, { compress: i % 2 === 0, forceZip64Format: zip64 });
  }
  zip.end({ forceZip64Format: zip64, comment: '' });
  const chunks: Buffer[] = [];
  for await (const chunk of zip.outputStream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** A context for listing a source, with its own scratch folder; `said` collects its messages. */
export function sourceContext(scratch: string): SourceContext & { readonly said: string[] } {
  const said: string[] = [];
  return { scratch: async () => scratch, say: (text) => said.push(text), said };
}

/** An image with smooth waves of varying colours, like a photograph, determined by the seed. */
export function photograph(seed: number, width = 40, height = 30) {
  const pixels = Buffer.alloc(width * height * 3);
  for (let i = 0; i < pixels.length; i++) {
    const [x, y, channel] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3];
    const wave = Math.sin((x * (1 + (seed % 5))) / 9 + channel) * Math.cos((y * (1 + (seed % 3))) / 7 + seed);
    pixels[i] = 128 + 100 * wave + 20 * Math.sin(seed * 13 + channel * 5);
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

/** A different JPEG for each seed. */
export const jpeg = (seed: number) => photograph(seed).jpeg().toBuffer();

/** A class of the development kit. */
export interface Synset {
  id: number;
  wnid: string;
  words: string;
  children?: number;
}

/** `meta.mat` as written by MATLAB: a struct array in a compressed or uncompressed element. */
export function matFile(synsets: readonly Synset[], { compressed = true, big = false, year = 2012 } = {}): Buffer {
  const word = (value: number) => {
    const bytes = Buffer.alloc(4);
    if (big) bytes.writeInt32BE(value);
    else bytes.writeInt32LE(value);
    return bytes;
  };
  const element = (type: number, data: Buffer) =>
    Buffer.concat([word(type), word(data.length), data, Buffer.alloc((8 - (data.length % 8)) % 8)]);
  /** Up to four bytes within the tag. */
  const small = (type: number, data: Buffer) =>
    Buffer.concat([
      big ? Buffer.of(0, data.length, 0, type) : Buffer.of(type, 0, data.length, 0),
      data,
      Buffer.alloc(4 - data.length),
    ]);
  const matrix = (kind: number, sizes: number[], name: string, ...content: Buffer[]) =>
    element(
      14,
      Buffer.concat([
        element(6, Buffer.concat([word(kind), word(0)])),
        element(5, Buffer.concat(sizes.map(word))),
        name.length > 4 ? element(1, Buffer.from(name)) : small(1, Buffer.from(name)),
        ...content,
      ]),
    );
  const text = (value: string) => {
    const codes = Buffer.alloc(2 * value.length);
    for (let i = 0; i < value.length; i++) {
      if (big) codes.writeUInt16BE(value.charCodeAt(i), 2 * i);
      else codes.writeUInt16LE(value.charCodeAt(i), 2 * i);
    }
    return matrix(
      4,
      [1, value.length],
      '',
      codes.length > 4 || codes.length === 0 ? element(4, codes) : small(4, codes),
    );
  };
  const number = (value: number) => {
    const bytes = Buffer.alloc(8);
    if (big) bytes.writeDoubleBE(value);
    else bytes.writeDoubleLE(value);
    // MATLAB stores whole numbers in as few bytes as they need.
    const packed = value < 256 ? small(2, Buffer.of(value)) : element(9, bytes);
    return matrix(6, [1, 1], '', packed);
  };
  const fields = [`ILSVRC${year}_ID`, 'WNID', 'words', 'num_children'];
  const names = Buffer.concat(
    fields.map((field) => Buffer.concat([Buffer.from(field), Buffer.alloc(32 - field.length)])),
  );
  const records = synsets.flatMap(({ id, wnid, words, children = 0 }) => [
    number(id),
    text(wnid),
    text(words),
    number(children),
  ]);
  const variable = matrix(2, [synsets.length, 1], 'synsets', small(5, word(32)), element(1, names), ...records);
  const header = Buffer.alloc(128, ' ');
  header.write('MATLAB 5.0 MAT-file');
  header.set(big ? Buffer.of(1, 0) : Buffer.of(0, 1), 124);
  header.write(big ? 'MI' : 'IM', 126);
  if (!compressed) return Buffer.concat([header, variable]);
  const packed = deflateSync(variable);
  return Buffer.concat([header, word(15), word(packed.length), packed]);
}

/** The classes of the small ImageNet: the kit's numbers differ from the order of their names. */
export const synsets: readonly Synset[] = [
  { id: 1, wnid: 'n00000030', words: 'crane' },
  { id: 2, wnid: 'n00000010', words: 'tench, Tinca tinca' },
  { id: 3, wnid: 'n00000020', words: 'crane, a bird' },
  { id: 4, wnid: 'n00000001', words: 'thing', children: 3 },
];

/** ImageNet as downloaded, with three classes of four training images each and six for validation. */
export async function smallImagenet(): Promise<Record<string, Buffer>> {
  const classes: Record<string, Buffer> = {};
  for (const [c, wnid] of ['n00000010', 'n00000020', 'n00000030'].entries()) {
    const images: Record<string, Buffer> = {};
    for (let i = 0; i < 4; i++) images[`${wnid}_${i}.JPEG`] = await jpeg(10 * c + i);
    classes[`${wnid}.tar`] = await tarOf(images);
  }
  const validation: Record<string, Buffer> = {};
  for (let i = 1; i <= 6; i++) validation[`ILSVRC2012_val_${String(i).padStart(8, '0')}.JPEG`] = await jpeg(100 + i);
  const kit = await tarOf({
    'ILSVRC2012_devkit_t12/readme.txt': 'read me',
    'ILSVRC2012_devkit_t12/data/meta.mat': matFile(synsets),
    'ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt': '1\n2\n3\n3\n2\n1\n',
  });
  return {
    'ILSVRC2012_img_train.tar': await tarOf(classes),
    'ILSVRC2012_img_val.tar': await tarOf(validation),
    'ILSVRC2012_devkit_t12.tar.gz': gzipSync(kit),
  };
}
