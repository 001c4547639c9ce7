import { createRequire } from 'node:module';
import { ConfigError } from '@alex/tensor';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Dataset } from '../dataset.js';
import { trainingArtists, validationArtist } from './artists.js';
import { demoClasses } from './classes.js';
import { emojiLicences, openEmoji } from './emoji.js';

const artists = [...trainingArtists, validationArtist];
const range = (count: number) => Array.from({ length: count }, (_, i) => i);

describe('the demo', () => {
  let dataset: Dataset;
  beforeAll(async () => {
    dataset = await openEmoji({ size: 64 });
  });

  test('has 24 objects by four artists for training, and a fifth artist held out', () => {
    expect(dataset).toMatchObject({ name: 'emoji', channels: 3, height: 64, width: 64 });
    expect(dataset.classes).toHaveLength(24);
    expect(dataset.classes.slice(0, 2)).toEqual(['pizza', 'rocket']);
    expect(dataset.classes).toContain('fire engine');
    expect([...dataset.train.labels]).toEqual(range(24).flatMap((label) => [label, label, label, label]));
    expect([...dataset.validation.labels]).toEqual(range(24));
    expect(range(4).map((i) => dataset.train.imageName(i))).toEqual([
      'noto/pizza',
      'noto-v1/pizza',
      'twemoji/pizza',
      'openmoji/pizza',
    ]);
    expect(dataset.validation.imageName(6)).toBe('fluent-emoji-flat/fire-engine');
  });

  test('every image differs clearly from every other, also from the same object by another artist', async () => {
    const train = await dataset.train.read(range(96));
    const validation = await dataset.validation.read(range(24));
    const bytes = 64 * 64 * 3;
    const images = [
      ...range(96).map((i) => train.pixels.subarray(i * bytes, (i + 1) * bytes)),
      ...range(24).map((i) => validation.pixels.subarray(i * bytes, (i + 1) * bytes)),
    ];
    for (let a = 0; a < images.length; a++) {
      for (let b = 0; b < a; b++) {
        let difference = 0;
        for (let i = 0; i < bytes; i++) difference += Math.abs(images[a]![i]! - images[b]![i]!);
        // In pixel values of 255; the same thing redrawn in the same shape and colour still differs by more.
        expect(difference / bytes).toBeGreaterThan(2);
      }
    }
  });

  test('images are coloured, on white', async () => {
    const { pixels } = await dataset.train.read(range(96));
    for (const i of range(96)) {
      const image = pixels.subarray(i * 64 * 64 * 3, (i + 1) * 64 * 64 * 3);
      let white = 0;
      for (let p = 0; p < image.length; p += 3) {
        if (image[p] === 255 && image[p + 1] === 255 && image[p + 2] === 255) white++;
      }
      const share = white / (64 * 64);
      expect(share, dataset.train.imageName(i)).toBeGreaterThan(0.05);
      expect(share, dataset.train.imageName(i)).toBeLessThan(0.95);
    }
  });

  test('is rendered the same again, cached or not', async () => {
    const again = await openEmoji({ size: 64, cacheBytes: 0 });
    const first = await dataset.train.read([5, 90, 5]);
    expect(await again.train.read([5, 90, 5])).toEqual(first);
    expect(await again.train.read([5, 90, 5])).toEqual(first);
  });

  test('is 256 x 256 by default', async () => {
    const { validation, height, width } = await openEmoji({ classes: 2 });
    expect([height, width]).toEqual([256, 256]);
    expect((await validation.read([1])).pixels).toHaveLength(256 * 256 * 3);
  });
});

describe('more classes', () => {
  let all: Dataset;
  beforeAll(async () => {
    all = await openEmoji({ classes: 1166, size: 16 });
  });

  test('there are 1,166 objects with different names', () => {
    expect(new Set(all.classes).size).toBe(1166);
    expect(all.train.length).toBe(4 * 1166);
    expect(all.validation.length).toBe(1166);
  });

  test('fewer classes are the first of more', async () => {
    for (const classes of [2, 24, 100]) {
      expect((await openEmoji({ classes })).classes).toEqual(all.classes.slice(0, classes));
    }
    expect(all.classes.slice(0, 24)).toEqual(demoClasses.map((name) => name.replaceAll('-', ' ')));
  });

  test('the order is the same on every machine', () => {
    expect(all.classes.slice(24, 30)).toEqual([
      'dango',
      'butterfly',
      'railway track',
      'cat',
      'books',
      'hatching chick',
    ]);
  });

  test('objects come before faces and signs, these before near-duplicates, and people come last', () => {
    const first = (pattern: RegExp) => all.classes.findIndex((name) => pattern.test(name));
    const last = (pattern: RegExp) => all.classes.findLastIndex((name) => pattern.test(name));
    expect(last(/^(anchor|whale|violin)$/)).toBeLessThan(first(/ button$|^grinning face$/));
    expect(last(/ button$/)).toBeLessThan(first(/ (oclock|thirty)$/));
    expect(last(/ (oclock|thirty)$/)).toBeLessThan(first(/^(man|woman|person) /));
  });

  test('all of them can be drawn', async () => {
    const { pixels } = await all.train.read(range(all.train.length));
    const blank = range(all.train.length).filter((i) =>
      pixels.subarray(i * 768, (i + 1) * 768).every((value) => value === 255),
    );
    expect(blank.map((i) => all.train.imageName(i))).toEqual([]);
  });

  test.each([0, 1, -3, 2.5, Number.NaN, 1167])('refuses %d classes', async (classes) => {
    await expect(openEmoji({ classes })).rejects.toThrow(ConfigError);
    await expect(openEmoji({ classes })).rejects.toThrow(`classes is ${classes}`);
  });

  test.each([0, -3, 2.5, Number.NaN, 5000])('refuses a size of %d', async (size) => {
    await expect(openEmoji({ size })).rejects.toThrow(`size is ${size}`);
  });
});

describe('licences', () => {
  const require = createRequire(import.meta.url);

  test.each(artists)("of $set are the set's own", (artist) => {
    const info = require(`@iconify-json/${artist.set}/info.json`) as {
      name: string;
      author: { name: string; url: string };
      license: { spdx: string; url: string };
    };
    expect({
      name: artist.name,
      author: artist.author,
      source: artist.source,
      licence: artist.licence,
      url: artist.url,
    }).toEqual({
      name: info.name,
      author: info.author.name,
      source: info.author.url,
      licence: info.license.spdx,
      url: info.license.url,
    });
  });

  test('are part of the data set', async () => {
    expect((await openEmoji({ classes: 2 })).licences).toEqual(emojiLicences);
    expect(emojiLicences.map(({ licence }) => licence)).toEqual([
      'Apache-2.0',
      'Apache-2.0',
      'CC-BY-4.0',
      'CC-BY-SA-4.0',
      'MIT',
    ]);
  });
});
