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

/** The location of some content: a whole file, or some bytes of one (an archive, a file of records). */
export interface Place {
  readonly file: string;
  readonly offset: number;
  readonly length: number;
  /** Whether the bytes are compressed with deflate, as in a zip archive. */
  readonly deflated?: boolean;
  /** Checksum of the unpacked content, if the archive contains it. */
  readonly crc32?: number;
}

/** An image to prepare, by its location. */
export interface SourceImage extends Place {
  /** Its name in the data set, for users and errors. */
  readonly name: string;
  /** Its class, an index into the source's classes. */
  readonly label: number;
}

/** Functions for listing a source. */
export interface SourceContext {
  /** Creates a folder for files that have to be unpacked first; it still exists when the same preparation continues. */
  scratch(): Promise<string>;
  /** Tells the waiting user what is taking long. */
  say(text: string): void;
  readonly signal?: AbortSignal | undefined;
}

/** A class: its name in the source, and its readable name. */
export interface SourceClass {
  readonly id: string;
  readonly name: string;
}

/** The images to prepare, in order. Listing them reads no image. */
export interface ImageSource {
  readonly kind: SourceKind;
  /** Readable name of the data set. */
  readonly name: string;
  /** Names of the files or folder that it came from, without their location on this machine. */
  readonly from: readonly string[];
  /** Checksum of the images, if it is cheap; other sources rely on names and sizes. */
  readonly digest?: string;
  readonly classes: readonly SourceClass[];
  /** The number of each class in submissions to the source's own contest, if there is one. */
  readonly numbers?: readonly number[];
  readonly channels: 1 | 3;
  /** The bytes of an image: an image file, or pixels of interleaved channels. */
  readonly bytes: 'file' | 'pixels';
  /** Side of the images if it is fixed; otherwise they are scaled to the requested size. */
  readonly size?: number;
  /** Drawings and small images are stored losslessly. */
  readonly lossless: boolean;
  readonly train: readonly SourceImage[];
  readonly validation: readonly SourceImage[];
  readonly licences?: readonly Licence[];
  /** Remarks about how it was read. */
  readonly remarks?: readonly string[];
}

/** A checksum of everything that determines the images and their order, but not of their locations. */
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
