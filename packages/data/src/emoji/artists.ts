import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { DataError } from '@alex/tensor';
import type { Licence } from '../dataset.js';
import { reason } from '../files.js';

/** One of the artists who draw the things: an Iconify set, a package `@iconify-json/…`. */
export interface Artist extends Licence {
  readonly set: string;
}

/** The four artists of the training images. */
export const trainingArtists: readonly Artist[] = [
  {
    set: 'noto',
    name: 'Noto Emoji',
    author: 'Google Inc',
    source: 'https://github.com/googlefonts/noto-emoji',
    licence: 'Apache-2.0',
    url: 'https://github.com/googlefonts/noto-emoji/blob/main/svg/LICENSE',
  },
  {
    set: 'noto-v1',
    name: 'Noto Emoji (v1)',
    author: 'Google Inc',
    source: 'https://github.com/googlefonts/noto-emoji',
    licence: 'Apache-2.0',
    url: 'https://github.com/googlefonts/noto-emoji/blob/main/svg/LICENSE',
  },
  {
    set: 'twemoji',
    name: 'Twitter Emoji',
    author: 'Twitter',
    source: 'https://github.com/jdecked/twemoji',
    licence: 'CC-BY-4.0',
    url: 'https://creativecommons.org/licenses/by/4.0/',
  },
  {
    set: 'openmoji',
    name: 'OpenMoji',
    author: 'OpenMoji',
    source: 'https://github.com/hfg-gmuend/openmoji',
    licence: 'CC-BY-SA-4.0',
    url: 'https://creativecommons.org/licenses/by-sa/4.0/',
  },
];

/**
 * The artist of the validation images. The flat shapes without outlines are unlike those of the other four, with the
 * usual margin. So the network must have learnt the things, not the habits of an artist.
 */
export const validationArtist: Artist = {
  set: 'fluent-emoji-flat',
  name: 'Fluent Emoji Flat',
  author: 'Microsoft Corporation',
  source: 'https://github.com/microsoft/fluentui-emoji',
  licence: 'MIT',
  url: 'https://github.com/microsoft/fluentui-emoji/blob/main/LICENSE',
};

/** A drawing in Iconify's format: the content of an SVG, and a view box if it differs from the set's. */
interface Drawing {
  readonly body: string;
  readonly left?: number;
  readonly top?: number;
  readonly width?: number;
  readonly height?: number;
}

/** The drawings of one artist, by name. Aliases are skipped, because they repeat another thing's drawing. */
interface Drawings {
  readonly icons: Readonly<Record<string, Drawing>>;
  readonly width: number;
  readonly height: number;
}

/** The things that all artists draw. */
export interface Catalogue {
  /** Names of the things, in the order of the first set. */
  readonly names: readonly string[];
  /** The Unicode category of each name, such as `Food & Drink`. */
  readonly categories: ReadonlyMap<string, string>;
  /** The drawings of each artist, by set. */
  readonly drawings: ReadonlyMap<string, Drawings>;
}

const require = createRequire(import.meta.url);

async function readJson<T>(set: string, file: string): Promise<T> {
  const name = `@iconify-json/${set}/${file}`;
  try {
    return JSON.parse(await readFile(require.resolve(name), 'utf8')) as T;
  } catch (error) {
    throw new DataError(`cannot read ${name}: ${reason(error)}; install the packages again`, { cause: error });
  }
}

let catalogue: Promise<Catalogue> | undefined;

/** Reads the sets, once per process: they are 60 MB of text, of which the common third is kept. */
export function readCatalogue(): Promise<Catalogue> {
  catalogue ??= readSets();
  return catalogue;
}

async function readSets(): Promise<Catalogue> {
  const sets = [...trainingArtists, validationArtist].map(({ set }) => set);
  const whole = await Promise.all(sets.map((set) => readJson<Drawings>(set, 'icons.json')));
  const names = Object.keys(whole[0]!.icons).filter((name) => whole.every(({ icons }) => name in icons));
  const common = whole.map(({ icons, width, height }) => ({
    icons: Object.fromEntries(names.map((name) => [name, icons[name]!])),
    width,
    height,
  }));
  const { categories } = await readJson<{ categories: Record<string, string[]> }>('noto', 'metadata.json');
  return {
    names,
    categories: new Map(
      Object.entries(categories).flatMap(([category, members]) => members.map((name) => [name, category])),
    ),
    drawings: new Map(sets.map((set, i) => [set, common[i]!])),
  };
}

/** An SVG file of one thing by one artist, `size` pixels high and wide. */
export function svgOf({ drawings }: Catalogue, artist: Artist, name: string, size: number): Buffer {
  const { icons, ...set } = drawings.get(artist.set)!;
  const { body, left = 0, top = 0, width = set.width, height = set.height } = icons[name]!;
  return Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}" viewBox="${left} ${top} ${width} ${height}">${body}</svg>`,
  );
}
