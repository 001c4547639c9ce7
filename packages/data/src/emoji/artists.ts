import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { DataError } from '@alex/tensor';
import type { Licence } from '../dataset.js';
import { reason } from '../files.js';

/** One of the hands that draw the things: an Iconify set, a package `@iconify-json/…`. */
export interface Artist extends Licence {
  readonly set: string;
}

/** The four hands to learn from. */
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
 * The hand that is held out. Its flat shapes without outlines are like none of the other four, and it leaves the usual
 * margin: what is recognized here was learnt from the things, not from one hand's habits.
 */
export const validationArtist: Artist = {
  set: 'fluent-emoji-flat',
  name: 'Fluent Emoji Flat',
  author: 'Microsoft Corporation',
  source: 'https://github.com/microsoft/fluentui-emoji',
  licence: 'MIT',
  url: 'https://github.com/microsoft/fluentui-emoji/blob/main/LICENSE',
};

/** A drawing as Iconify keeps it: the inside of an SVG, and a view box where it differs from the set's. */
interface Drawing {
  readonly body: string;
  readonly left?: number;
  readonly top?: number;
  readonly width?: number;
  readonly height?: number;
}

/** What one hand has drawn, by name. Aliases are left out: they repeat another thing's drawing. */
export interface Drawings {
  readonly icons: Readonly<Record<string, Drawing>>;
  readonly width: number;
  readonly height: number;
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

export function readDrawings(artist: Artist): Promise<Drawings> {
  return readJson<Drawings>(artist.set, 'icons.json');
}

/** The Unicode category of each name, such as `Food & Drink`. */
export async function readCategories(): Promise<ReadonlyMap<string, string>> {
  const { categories } = await readJson<{ categories: Record<string, string[]> }>('noto', 'metadata.json');
  return new Map(Object.entries(categories).flatMap(([category, names]) => names.map((name) => [name, category])));
}

/** An SVG file of one drawing, `size` pixels high and wide. */
export function svgOf(drawings: Drawings, name: string, size: number): Buffer {
  const { body, left = 0, top = 0, width = drawings.width, height = drawings.height } = drawings.icons[name]!;
  return Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}" viewBox="${left} ${top} ${width} ${height}">${body}</svg>`,
  );
}
