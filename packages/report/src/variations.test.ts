import { ConfigError, DataError, ShapeError } from '@alex/tensor';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { RawImage } from './image.js';
import { variations } from './variations.js';

/** An image of one colour. */
function plain(width: number, height: number, colour: readonly number[]): RawImage {
  const data = Uint8Array.from({ length: width * height * colour.length }, (_, i) => colour[i % colour.length]!);
  return { data, width, height, channels: colour.length as 1 | 3 };
}

async function draw(...given: Parameters<typeof variations>) {
  const { data, info } = await sharp(await variations(...given))
    .raw()
    .toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number) => [...data.subarray((y * info.width + x) * 4, (y * info.width + x) * 4 + 4)];
  return { size: [info.width, info.height], at };
}

describe('variations', () => {
  it('are in rows next to their photograph, without gaps', async () => {
    const varied = [10, 20, 30, 40, 50].map((red) => plain(3, 2, [red, 0, 255]));
    const { size, at } = await draw(plain(4, 4, [1, 2, 3]), varied, { perRow: 2, gap: 1 });
    expect(size).toEqual([4 + 1 + 3 + 1 + 3, 3 * 2 + 2]);
    expect([at(0, 0), at(3, 3)]).toEqual([
      [1, 2, 3, 255],
      [1, 2, 3, 255],
    ]);
    for (const [i, image] of varied.entries()) {
      const [left, top] = [5 + 4 * (i % 2), 3 * Math.floor(i / 2)];
      for (const corner of [at(left, top), at(left + 2, top + 1)]) expect(corner).toEqual([image.data[0], 0, 255, 255]);
    }
    for (const nothing of [at(4, 0), at(8, 1), at(5, 2), at(0, 4), at(9, 7)]) expect(nothing[3]).toBe(0);
  });

  it('are grey if the photograph is, and lower than it if they are few', async () => {
    const { size, at } = await draw(plain(9, 9, [7]), [plain(3, 3, [200])], { gap: 0 });
    expect(size).toEqual([12, 9]);
    expect([at(8, 8), at(9, 2), at(9, 3)[3]]).toEqual([[7, 7, 7, 255], [200, 200, 200, 255], 0]);
  });

  const photograph = plain(4, 4, [1, 2, 3]);
  it.each<[string, () => Promise<Buffer>, new (...given: never[]) => Error, RegExp]>([
    ['none', () => variations(photograph, []), ConfigError, /none to draw/],
    ['none in a row', () => variations(photograph, [photograph], { perRow: 0 }), ConfigError, /perRow.*got 0/],
    ['a negative gap', () => variations(photograph, [photograph], { gap: -1 }), ConfigError, /gap.*got -1/],
    [
      'different sizes',
      () => variations(photograph, [photograph, plain(4, 3, [1])]),
      ShapeError,
      /one size, got 4 x 4 and 3 x 4/,
    ],
    [
      'too few bytes',
      () => variations({ ...photograph, width: 5 }, [photograph]),
      DataError,
      /4 x 5 x 3 needs 60 bytes, got 48/,
    ],
  ])('refuse %s', async (_, drawing, error, message) => {
    await expect(drawing()).rejects.toThrow(error);
    await expect(drawing()).rejects.toThrow(message);
  });
});
