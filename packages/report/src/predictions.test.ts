import { ConfigError, DataError } from '@alex/tensor';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { neighbours } from './neighbours.js';
import { type Prediction, predictions } from './predictions.js';

const red = { data: Uint8Array.from([255, 0, 0]), width: 1, height: 1, channels: 3 } as const;
const grey = { data: new Uint8Array(6).fill(100), width: 3, height: 2, channels: 1 } as const;

function guesses(...labels: string[]): Prediction['top5'] {
  return labels.map((label, place) => ({ label, probability: 0.5 / (place + 1) }));
}

function count(svg: string, part: string | RegExp): number {
  return svg.split(part).length - 1;
}

async function pixels(svg: string) {
  const { data, info } = await sharp(Buffer.from(svg)).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return {
    info,
    at: (x: number, y: number): number[] => [...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3)],
  };
}

const rightColour = '#f5a3ab';

describe('predictions', () => {
  it('draws a bar for each guess, as long as its probability, red and bold if it is right', async () => {
    const svg = await predictions([{ image: red, label: 'pizza', top5: guesses('rocket', 'pizza', 'cat') }]);
    for (const text of ['>rocket<', '>cat<', '>50%<', '>25%<', '>17%<']) expect(count(svg, text)).toBe(1);
    expect(count(svg, '>pizza<')).toBe(2);
    expect(count(svg, ` fill="${rightColour}"`)).toBe(1);
    const { info, at } = await pixels(svg);
    // A card of 192 pixels between margins of 24; the bars begin 36 below the image, at intervals of 28.
    expect(info.width).toBe(192 + 48);
    expect(at(120, 120)).toEqual([255, 0, 0]);
    const second = 24 + 192 + 36 + 28 + 2;
    expect(at(24 + 40, second)).toEqual([0xf5, 0xa3, 0xab]);
    expect(at(24 + 47, second + 10)).toEqual([0xf5, 0xa3, 0xab]);
    expect(at(24 + 49, second + 1)).toEqual([0xf4, 0xf6, 0xf8]);
  });

  it('paints nothing red if no guess is right', async () => {
    const svg = await predictions([{ image: red, label: 'pizza', top5: guesses('rocket') }]);
    expect(count(svg, ` fill="${rightColour}"`)).toBe(0);
  });

  it('breaks rows as given', async () => {
    const list = Array.from({ length: 5 }, (): Prediction => ({ image: grey, label: 'a', top5: guesses('b') }));
    const sizes = async (perRow?: number) => {
      const { width, height } = await sharp(Buffer.from(await predictions(list, perRow ? { perRow } : {}))).metadata();
      return [width, height];
    };
    const row = 192 + 36 + 28 + 28;
    expect(await sizes()).toEqual([48 + 4 * 220 - 28, 48 + 2 * row - 32]);
    expect(await sizes(5)).toEqual([48 + 5 * 220 - 28, 48 + row - 32]);
    expect(await sizes(2)).toEqual([48 + 2 * 220 - 28, 48 + 3 * row - 32]);
  });

  it('escapes class names, and truncates long ones', async () => {
    const long = 'a name that goes on and on and on and on';
    const svg = await predictions([{ image: red, label: '<script>alert("&")</script>', top5: guesses('A & B', long) }]);
    expect(svg).not.toContain('<script');
    expect(svg).toContain('&lt;script&gt;');
    expect(svg).toContain('>A &amp; B<');
    expect(svg).not.toContain(long);
    expect(svg).toMatch(/>a name that goes[^<]*…</);
  });

  it('shows a transparent image on white', async () => {
    const image = await sharp({ create: { width: 8, height: 8, channels: 4, background: '#00000000' } })
      .png()
      .toBuffer();
    const { at } = await pixels(await predictions([{ image, label: 'a', top5: [] }]));
    expect(at(120, 120)).toEqual([255, 255, 255]);
  });

  it('shows every image as a square: wide ones are cropped on both sides', async () => {
    const data = Uint8Array.from([255, 0, 0, 0, 255, 0, 0, 0, 255]);
    const { at } = await pixels(
      await predictions([{ image: { data, width: 3, height: 1, channels: 3 }, label: 'a', top5: [] }]),
    );
    for (const x of [30, 120, 210]) expect(at(x, 120)).toEqual([0, 255, 0]);
  });

  it.each<[string, Prediction[], object, typeof ConfigError, RegExp]>([
    ['no predictions', [], {}, ConfigError, /at least one/],
    ['rows of 0', [{ image: red, label: 'a', top5: [] }], { perRow: 0 }, ConfigError, /perRow.*got 0/],
    [
      'a probability of NaN',
      [{ image: red, label: 'a', top5: [{ label: 'b', probability: Number.NaN }] }],
      {},
      ConfigError,
      /image 0 \(a\): the probability of b.*NaN/,
    ],
    [
      'bytes that are not an image',
      [{ image: Buffer.from('text'), label: 'a', top5: [] }],
      {},
      DataError,
      /image 0 \(a\) cannot be drawn/,
    ],
    [
      'too few bytes',
      [{ image: { ...red, width: 2 }, label: 'a', top5: [] }],
      {},
      DataError,
      /1 x 2 x 3 needs 6 bytes, got 3/,
    ],
  ])('refuses %s', async (_, list, options, error, message) => {
    await expect(predictions(list, options)).rejects.toThrow(error);
    await expect(predictions(list, options)).rejects.toThrow(message);
  });
});

describe('neighbours', () => {
  it('draws one row per image, with its neighbours to the right of a wider gap', async () => {
    const rows = [
      { image: red, nearest: [grey, red] },
      { image: grey, nearest: [red] },
    ];
    const { info, at } = await pixels(await neighbours(rows));
    expect([info.width, info.height]).toEqual([24 + 104 + 32 + 104 + 8 + 104 + 24, 24 + 104 + 8 + 104 + 24]);
    const centres = [76, 76 + 136, 76 + 136 + 112].map((x) => [76, 188].map((y) => at(x, y)));
    const isGrey = expect.toSatisfy((colour: number[]) => colour.every((value) => Math.abs(value - 100) <= 2));
    expect(centres).toEqual([
      [[255, 0, 0], isGrey],
      [isGrey, [255, 0, 0]],
      [
        [255, 0, 0],
        [255, 255, 255],
      ],
    ]);
  });

  it('refuses no rows', async () => {
    await expect(neighbours([])).rejects.toThrow(ConfigError);
  });
});
