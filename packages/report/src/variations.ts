import { ConfigError, ShapeError } from '@alex/tensor';
import { checkArray, checkOptions, checkWholeNumber } from '@alex/tensor/kernels';
import { checkRawImage, type RawImage } from './image.js';
import { loadSharp } from './sharp.js';

/** Options of `variations`. */
export interface VariationsOptions {
  /** Variations per row. Default: 4. */
  readonly perRow?: number;
  /** Space between images, in pixels. Default: 8. */
  readonly gap?: number;
}

/**
 * Draws a photograph and, to its right, augmented versions of it, as a PNG: pixel for pixel, in rows, without scaling.
 *
 * @param varied all of one size
 * @throws `ConfigError` if there are none or an option is unknown or invalid, `ShapeError` for variations of different sizes,
 * `DataError` for an image with the wrong number of bytes.
 */
export async function variations(
  photograph: RawImage,
  varied: readonly RawImage[],
  options: VariationsOptions = {},
): Promise<Buffer> {
  checkOptions('variations', options, ['perRow', 'gap']);
  const { perRow = 4, gap = 8 } = options;
  checkWholeNumber('variations', 'perRow', perRow);
  checkWholeNumber('variations', 'gap', gap, 0);
  checkArray('variations', 'varied', varied);
  const [first] = varied;
  if (!first) throw new ConfigError('variations: there are none to draw; give at least one');
  for (const image of [photograph, ...varied]) checkRawImage(image);
  const other = varied.find(({ width, height }) => width !== first.width || height !== first.height);
  if (other) {
    throw new ShapeError(
      `variations: all must have one size, got ${first.height} x ${first.width} and ${other.height} x ${other.width}`,
    );
  }
  const across = Math.min(perRow, varied.length);
  const down = Math.ceil(varied.length / perRow);
  const start = photograph.width + gap;
  const placed = varied.map((image, i) => ({
    ...layer(image),
    left: start + (i % perRow) * (first.width + gap),
    top: Math.floor(i / perRow) * (first.height + gap),
  }));
  const sharp = await loadSharp();
  return sharp({
    create: {
      width: start + across * (first.width + gap) - gap,
      height: Math.max(photograph.height, down * (first.height + gap) - gap),
      channels: 4,
      background: '#00000000',
    },
  })
    .composite([{ ...layer(photograph), left: 0, top: 0 }, ...placed])
    .png()
    .toBuffer();
}

function layer({ data, width, height, channels }: RawImage) {
  return { input: Buffer.from(data.buffer, data.byteOffset, data.length), raw: { width, height, channels } };
}
