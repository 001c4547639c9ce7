import { createHash } from 'node:crypto';
import type { Licence } from '../dataset.js';

/** Kinds of data that can be prepared. */
export const sourceKinds = [
  'imagenet',
  'folder',
  'webdataset',
  'cifar10',
  'cifar100',
  'mnist',
  'fashion-mnist',
  'emoji',
] as const;
export type SourceKind = (typeof sourceKinds)[number];

/** Where some content lies: a whole file, or some bytes of one (an archive, a file of records). */
export interface Place {
  readonly file: string;
  readonly offset: number;
  readonly length: number;
  /** Whether the bytes are compressed by deflate, as in a zip archive. */
  readonly deflated?: boolean;
  /** Checksum of the content when it is unpacked, where the archive knows it. */
  readonly crc32?: number;
}

/** An image to be prepared, by its place. */
export interface SourceImage extends Place {
  /** Its name in the data set, for people and errors. */
  readonly name: string;
  /** Its class, an index into the source's classes. */
  readonly label: number;
}

/** What the listing of a source may need. */
export interface SourceContext {
  /** Makes a folder for what has to be unpacked first; it is there again when the same preparation continues. */
  scratch(): Promise<string>;
  /** Tells somebody who waits what takes long. */
  say(text: string): void;
  readonly signal?: AbortSignal | undefined;
}

/** A class: what its source calls it, and what people call it. */
export interface SourceClass {
  readonly id: string;
  readonly name: string;
}

/** What images to prepare, in which order. Listing it reads no image. */
export interface ImageSource {
  readonly kind: SourceKind;
  /** Name of the data set, for people. */
  readonly name: string;
  /** Names of the files or folder that it came from, without their place on this machine. */
  readonly from: readonly string[];
  /** Checksum of the images, where it costs little: elsewhere names and sizes have to do. */
  readonly digest?: string;
  readonly classes: readonly SourceClass[];
  /** The number of each class in submissions to the source's own contest, where it has one. */
  readonly numbers?: readonly number[];
  readonly channels: 1 | 3;
  /** What the bytes of an image are: an image file, or pixels of interleaved channels. */
  readonly bytes: 'file' | 'pixels';
  /** Side of the images where it is fixed; otherwise they are scaled to what is asked for. */
  readonly size?: number;
  /** Drawings and small images are kept without loss. */
  readonly lossless: boolean;
  readonly train: readonly SourceImage[];
  readonly validation: readonly SourceImage[];
  readonly licences?: readonly Licence[];
  /** What somebody should know about how it was read. */
  readonly remarks?: readonly string[];
}

/** A checksum of everything that decides which images there are, in which order: not of where they lie. */
export function fingerprintOf(source: ImageSource): string {
  const hash = createHash('sha256');
  const { kind, name, digest, classes, channels, bytes, size } = source;
  hash.update(JSON.stringify({ kind, name, digest, classes, channels, bytes, size }));
  for (const split of [source.train, source.validation]) {
    hash.update(`\n${split.length}\n`);
    for (const { name, label, offset, length } of split) hash.update(`${name}\0${label}\0${offset}\0${length}\n`);
  }
  return hash.digest('hex');
}
