import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { checkSignatureOf, decodeImage } from './image-file.js';

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

test('distinguishes HEIC and films from AVIF, which begin in the same way', async () => {
  const head = (brand: string) => Buffer.concat([Buffer.of(0, 0, 0, 32), Buffer.from(`ftyp${brand}`)]);
  expect(() => checkSignatureOf('x.avif', head('avif'))).not.toThrow();
  for (const brand of ['heic', 'isom', 'qt  ']) {
    expect(() => checkSignatureOf('x.jpg', head(brand))).toThrow('x.jpg is not an image');
  }
});
