import { ConfigError, type HostTensor, ShapeError } from '@alex/tensor';
import { randomTensor } from '@alex/tensor/testing';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { filters, filtersSvg } from './filters.js';

const clear = [0, 0, 0, 0];

async function draw(...given: Parameters<typeof filters>) {
  const { data, info } = await sharp(await filters(...given))
    .raw()
    .toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number): number[] => [
    ...data.subarray((y * info.width + x) * 4, (y * info.width + x) * 4 + 4),
  ];
  return { size: [info.width, info.height], at };
}

/** Filters of one constant colour each. */
function plain(colours: readonly (readonly number[])[], side: number): HostTensor {
  const data = colours.flatMap((colour) => colour.flatMap((value) => new Array<number>(side * side).fill(value)));
  return { shape: [colours.length, colours[0]!.length, side, side], data: Float32Array.from(data) };
}

describe('filters', () => {
  it("lays out squares in rows with clear gaps, and the network's columns further apart", async () => {
    // Two columns of three filters of 2 x 2 weights, two in a row: rows of two and one, twice.
    const colours = [
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
      [-1, 0, 0],
      [0, -1, 0],
      [0, 0, -1],
    ];
    const { size, at } = await draw(plain(colours, 2), { columns: 2, perRow: 2, scale: 3, gap: 1 });
    expect(size).toEqual([6 + 1 + 6, 2 * (6 + 1 + 6) + 3]);
    const squares: [x: number, y: number, colour: number[]][] = [
      [0, 0, [255, 128, 128, 255]],
      [7, 0, [128, 255, 128, 255]],
      [0, 7, [128, 128, 255, 255]],
      [7, 7, clear],
      [0, 16, [0, 128, 128, 255]],
      [7, 16, [128, 0, 128, 255]],
      [0, 23, [128, 128, 0, 255]],
      [7, 23, clear],
    ];
    const seen = new Set<string>();
    for (const [left, top, colour] of squares) {
      for (let y = top; y < top + 6; y++) {
        for (let x = left; x < left + 6; x++) {
          expect(at(x, y)).toEqual(colour);
          seen.add(`${x},${y}`);
        }
      }
    }
    for (let y = 0; y < size[1]!; y++) {
      for (let x = 0; x < size[0]!; x++) if (!seen.has(`${x},${y}`)) expect(at(x, y)).toEqual(clear);
    }
  });

  it('draws a weight as a square, row-major, scaled by the largest of its filter', async () => {
    const data = Float32Array.from([0.5, -0.25, 0, 0.25, 0.125, -0.5, 30, -30, 15, -15, 0, 60]);
    const { size, at } = await draw({ shape: [2, 1, 2, 3], data }, { scale: 2, gap: 0 });
    expect(size).toEqual([12, 4]);
    const grey = [0, 2].map((y) => [0, 2, 4, 6, 8, 10].map((x) => at(x, y)[0]));
    expect(grey).toEqual([
      [255, 64, 128, 191, 64, 159],
      [191, 159, 0, 96, 128, 255],
    ]);
    expect(at(1, 1)).toEqual(at(0, 0));
  });

  it('draws the 96 filters of the paper as figure 3: three rows of 16, twice', async () => {
    const { size, at } = await draw(plain(new Array(96).fill([1, 1, 1]), 11), { columns: 2 });
    expect(size).toEqual([16 * 48 - 4, 2 * (3 * 48 - 4) + 12]);
    expect(at(0, 3 * 48 - 5)).toEqual([255, 255, 255, 255]);
    expect(at(0, 3 * 48 - 4)).toEqual(clear);
    expect(at(0, 3 * 48 - 4 + 11)).toEqual(clear);
    expect(at(0, 3 * 48 - 4 + 12)).toEqual([255, 255, 255, 255]);
  });

  it('lets strong filters stand out if the layer has one contrast', async () => {
    const { at } = await draw(plain([[0.5], [-1], [0]], 1), { contrast: 'layer', scale: 1, gap: 0 });
    expect([0, 1, 2].map((x) => at(x, 0)[0])).toEqual([191, 0, 128]);
  });

  it('draws channels that are not colours side by side', async () => {
    const { size, at } = await draw(
      plain(
        [
          [1, 0],
          [0, -1],
        ],
        1,
      ),
      { scale: 2, gap: 1 },
    );
    expect(size).toEqual([4 + 1 + 4, 2]);
    expect([0, 2, 5, 7].map((x) => at(x, 1))).toEqual([255, 128, 128, 0].map((value) => [value, value, value, 255]));
    expect(at(4, 0)).toEqual(clear);
  });

  it('draws a filter of zeros in mid-grey', async () => {
    expect((await draw(plain([[0, 0, 0]], 1))).at(0, 0)).toEqual([128, 128, 128, 255]);
  });

  it.each<[string, HostTensor, object, typeof ConfigError, RegExp]>([
    [
      'filters of a later layer',
      { shape: [2, 48, 1, 1], data: new Float32Array(96) },
      {},
      ShapeError,
      /got \[2, 48, 1, 1\]/,
    ],
    ['a matrix', { shape: [2, 3], data: new Float32Array(6) }, {}, ShapeError, /got \[2, 3\]/],
    ['no filters', { shape: [0, 3, 1, 1], data: new Float32Array(0) }, {}, ShapeError, /got \[0, 3, 1, 1\]/],
    ['too few values', { shape: [2, 3, 1, 1], data: new Float32Array(5) }, {}, ShapeError, /needs 6 values, got 5/],
    ['columns that do not divide', plain([[1], [1], [1]], 1), { columns: 2 }, ConfigError, /2 columns do not divide 3/],
    [
      'an unknown contrast',
      plain([[1]], 1),
      { contrast: 'column' },
      ConfigError,
      /contrast must be 'filter' or 'layer', got 'column'/,
    ],
    ['a scale of 0', plain([[1]], 1), { scale: 0 }, ConfigError, /scale.*got 0/],
    ['a gap of NaN', plain([[1]], 1), { gap: Number.NaN }, ConfigError, /gap.*got NaN/],
    ['a weight of NaN', plain([[1], [Number.NaN]], 1), {}, ConfigError, /filter 1 has a weight that is not finite/],
  ])('refuses %s', async (_, weight, options, error, message) => {
    await expect(filters(weight, options)).rejects.toThrow(error);
    await expect(filters(weight, options)).rejects.toThrow(message);
  });
});

describe('filtersSvg', () => {
  it.each<[string, HostTensor, object]>([
    ['of colours, in columns', randomTensor([6, 3, 4, 5], 1), { columns: 2, perRow: 2, scale: 3, gap: 2 }],
    ['that are grey', randomTensor([3, 1, 3, 3], 2), { perRow: 2 }],
    [
      'of plain colours',
      plain(
        [
          [1, 0, 0],
          [-1, 0.5, 0],
        ],
        6,
      ),
      { contrast: 'layer' },
    ],
  ])('draws filters %s, as the PNG has them, to the pixel', async (_, weight, options) => {
    const raw = (image: Buffer) => sharp(image).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
    const [drawn, wanted] = await Promise.all(
      [Buffer.from(filtersSvg(weight, options)), await filters(weight, options)].map(raw),
    );
    expect([drawn!.info.width, drawn!.info.height]).toEqual([wanted!.info.width, wanted!.info.height]);
    expect(drawn!.data.equals(wanted!.data)).toBe(true);
  });

  it('has a title, and a path for each run of equal weights', () => {
    const svg = filtersSvg(plain(new Array(96).fill([1, 1, 1]), 11), { columns: 2 });
    expect(svg).toContain(
      '<title>96 filters of the first layer, 11 x 11 each, those of 2 columns one below the other</title>',
    );
    expect(svg.match(/<path /g)).toHaveLength(96 * 11);
  });

  it('refuses what the PNG refuses', () => {
    expect(() => filtersSvg(plain([[1]], 1), { perRow: 0 })).toThrow(ConfigError);
  });
});
