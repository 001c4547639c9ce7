import { DataError } from '@alex/tensor';
import { checkWholeNumber, kindOfArray } from '@alex/tensor/kernels';
import type { Sharp } from 'sharp';
import { palette } from './palette.js';
import { loadSharp } from './sharp.js';

/** An image as raw pixel values `[height, width, channels]`. */
export interface RawImage {
  readonly data: Uint8Array;
  /** In pixels. */
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
}

/** An image: the bytes of an image file (PNG, JPEG, WebP), or raw pixel values. */
export type Image = Uint8Array | RawImage;

/**
 * SVG elements that show an image as a square of `side` pixels with rounded corners, at the origin. A longer side is
 * cropped at both ends.
 *
 * @throws `DataError` for bytes that are not an image, naming `what`.
 */
export async function drawImage(what: string, image: Image, side: number): Promise<object[]> {
  // Twice the resolution of the drawing, for high-density screens.
  const address = await imageAddress(what, image, 2 * side);
  const corners = { type: 'rect', shape: { x: 0, y: 0, width: side, height: side, r: side / 16 } };
  const edge = { x: 0.5, y: 0.5, width: side - 1, height: side - 1, r: side / 16 };
  return [
    { type: 'image', silent: true, style: { image: address, width: side, height: side }, clipPath: corners },
    // Gives a white image an edge on a white background.
    { type: 'rect', silent: true, shape: edge, style: { fill: 'none', stroke: palette.grid } },
  ];
}

/**
 * A square image as a `data:` address.
 *
 * @param quality JPEG quality, from 1 to 100, if the image has many pixels
 * @throws `DataError` for bytes that are not an image, naming `what`; `ConfigError` for an invalid side or quality.
 */
export async function imageAddress(what: string, image: Image, side: number, quality = 86): Promise<string> {
  checkWholeNumber(what, 'side', side);
  checkWholeNumber(what, 'quality', quality, 1, 100);
  try {
    const { width } = await (await open(image)).metadata();
    // A few large pixels are easier to see as squares than as a blur.
    const coarse = width < side / 4;
    const square = (await open(image))
      .autoOrient()
      .resize(side, side, { fit: 'cover', kernel: coarse ? 'nearest' : 'lanczos3' })
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb');
    const { data, info } = await (coarse
      ? square.png({ compressionLevel: 9 })
      : square.jpeg({ quality, chromaSubsampling: '4:4:4' })
    ).toBuffer({ resolveWithObject: true });
    return `data:image/${info.format};base64,${data.toString('base64')}`;
  } catch (cause) {
    throw new DataError(`${what} cannot be drawn: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}

async function open(image: Image): Promise<Sharp> {
  const sharp = await loadSharp();
  if (image instanceof Uint8Array) return sharp(image);
  const { data, width, height, channels } = checkRawImage(image);
  return sharp(data, { raw: { width, height, channels } });
}

/** Throws a `DataError` unless it has bytes, and their number matches the sizes. */
export function checkRawImage(image: RawImage): RawImage {
  const { data, width, height, channels } = image ?? {};
  if (!['Uint8Array', 'Uint8ClampedArray'].includes(kindOfArray(data))) {
    throw new DataError(
      `an image is the bytes of its file, or { data, width, height, channels } with a Uint8Array of pixel values; got ${kindOfArray(data ?? image)}`,
    );
  }
  if (data.length === width * height * channels) return image;
  throw new DataError(
    `an image of ${height} x ${width} x ${channels} needs ${width * height * channels} bytes, got ${data.length}`,
  );
}
