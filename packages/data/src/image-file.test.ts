import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { decodeImage, tryDecoding } from './image-file.js';

const plain = (colour: string) =>
  sharp({ create: { width: 6, height: 4, channels: 3, background: colour } })
    .png()
    .toBuffer();

describe('decodeImage', () => {
  test('gives interleaved red, green and blue', async () => {
    const pixels = await decodeImage('red', await plain('#ff0000'), 2);
    expect([...pixels]).toEqual([255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0]);
  });

  test('returns one grey value per pixel if one channel is requested', async () => {
    expect([...(await decodeImage('grey', await plain('#808080'), 2, 1))]).toEqual([128, 128, 128, 128]);
    const [red, white] = [await plain('#ff0000'), await plain('#ffffff')];
    const darkness = async (image: Buffer) => (await decodeImage('image', image, 1, 1))[0]!;
    expect(await darkness(red)).toBeLessThan(await darkness(white));
  });
});

describe('decodeImage of a path', () => {
  const folder = temporaryFolder();

  test('reads names with brackets, and pipes', async () => {
    const image = join(folder, 'cat [1]');
    await writeFile(image, await plain('#ff0000'));
    expect([...(await decodeImage('cat', image, 1))]).toEqual([255, 0, 0]);
    if (process.platform === 'win32') return;
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const [, pixels] = await Promise.all([writeFile(pipe, await plain('#0000ff')), decodeImage('pipe', pipe, 1)]);
    expect([...pixels]).toEqual([0, 0, 255]);
  });

  test.each<[string, string | Buffer, string]>([
    ['a poem', 'Violets are blue', 'poem.jpg cannot be read as an image: it is text; replace or remove the file'],
    ['a page', '<html>', 'it is a web page; the address asks for a login'],
    ['half an image', Buffer.from('ffd8ffe000104a464946', 'hex'), 'it cannot be decoded ('],
  ])('says what it is: %s', async (_, content, message) => {
    const file = join(folder, 'poem.jpg');
    await writeFile(file, content);
    await expect(decodeImage('poem.jpg', file, 2)).rejects.toThrow(message);
  });

  test('tells a folder from a file that is not there', async () => {
    const reading = (file: string) => expect(decodeImage(file, file, 2)).rejects;
    await reading(folder).toThrow('cannot be read as an image: it is a folder; give the files in it');
    await reading(join(folder, 'none.jpg')).toThrow('there is no such file; check the path');
  });
});

describe('tryDecoding', () => {
  const faultOf = async (content: string | Buffer) => {
    const decoding = await tryDecoding(Buffer.from(content), 2, 3);
    return 'fault' in decoding ? decoding.fault : undefined;
  };
  const withBrand = (brand: string) => Buffer.concat([Buffer.of(0, 0, 0, 32), Buffer.from(`ftyp${brand}`)]);

  test('gives the pixels of an image', async () => {
    expect(await tryDecoding(await plain('#ff0000'), 1, 3)).toEqual({ pixels: Buffer.of(255, 0, 0) });
  });

  test.each<[string, string | Buffer, string]>([
    ['nothing', '', 'the file is empty'],
    ['zeros', Buffer.alloc(4000), 'it begins with zeros only, so it was not completely written'],
    ['a text', 'a poem', 'it is text'],
    [
      'a pointer',
      'version https://git-lfs.github.com/spec/v1\noid sha256:1\n',
      'it is a Git LFS pointer, not the file',
    ],
    ['a page', '\n<!DOCTYPE html><html>', 'it is a web page; the address asks for a login'],
    ['a drawing', '<?xml version="1.0"?>\n<svg xmlns="x"/>', 'it is an SVG drawing; convert it'],
    ["an iPhone's image", withBrand('heic'), 'it is HEIC; convert it to JPEG or PNG'],
    ['a video', withBrand('isom'), 'it is a video'],
    ['a bitmap', Buffer.from('424d3600000000000000360000002800', 'hex'), 'it is BMP; convert it to JPEG or PNG'],
    ['an archive', Buffer.from('504b030414000000', 'hex'), 'it is a zip archive; unpack it'],
    ['random bytes', Buffer.of(3, 1, 4, 1, 5, 9, 2, 6), 'it is not an image (JPEG, PNG, WebP, GIF, TIFF, AVIF)'],
    ['an invalid AVIF', withBrand('avif'), 'it cannot be decoded ('],
  ])('recognizes %s by its first bytes', async (_, content, fault) => {
    expect(await faultOf(content)).toContain(fault);
  });

  test('finds a truncated image, wherever it is truncated', async () => {
    const noise = Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * i * 31) % 256));
    const image = sharp(noise, { raw: { width: 64, height: 64, channels: 3 } });
    for (const whole of [await image.clone().jpeg().toBuffer(), await image.clone().png().toBuffer()]) {
      expect(await faultOf(whole)).toBeUndefined();
      for (const share of [0.1, 0.5, 0.95]) {
        expect(await faultOf(whole.subarray(0, share * whole.length)), `${share}`).toContain('it cannot be decoded (');
      }
    }
  });
});
