import { DataError } from '@alex/tensor';
import sharp, { type Sharp } from 'sharp';
import { palette } from './palette.js';

/** A picture: the bytes of an image file (PNG, JPEG, WebP), or raw grey levels `[height, width, channels]`. */
export type Picture =
  | Uint8Array
  | {
      readonly data: Uint8Array;
      /** In pixels. */
      readonly width: number;
      readonly height: number;
      readonly channels: 1 | 3;
    };

/**
 * The elements of a drawing that show a picture as a square of `side` pixels with rounded corners, at its origin; what
 * does not fit the square is cut away on both sides.
 *
 * @throws `DataError` for bytes that are no picture, naming `what`.
 */
export async function drawPicture(what: string, picture: Picture, side: number): Promise<object[]> {
  // Twice as many pixels as the drawing has, for screens that have them.
  const image = await pictureAddress(what, picture, 2 * side);
  const corners = { type: 'rect', shape: { x: 0, y: 0, width: side, height: side, r: side / 16 } };
  const edge = { x: 0.5, y: 0.5, width: side - 1, height: side - 1, r: side / 16 };
  return [
    { type: 'image', silent: true, style: { image, width: side, height: side }, clipPath: corners },
    // So that a white picture has an edge on white.
    { type: 'rect', silent: true, shape: edge, style: { fill: 'none', stroke: palette.grid } },
  ];
}

/**
 * A square picture as a `data:` address.
 *
 * @throws `DataError` for bytes that are no picture, naming `what`.
 */
export async function pictureAddress(what: string, picture: Picture, side: number): Promise<string> {
  try {
    const { width } = await open(picture).metadata();
    // A few large pixels are better seen as squares than as a blur.
    const coarse = width < side / 4;
    const square = open(picture)
      .autoOrient()
      .resize(side, side, { fit: 'cover', kernel: coarse ? 'nearest' : 'lanczos3' })
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb');
    const { data, info } = await (coarse
      ? square.png({ compressionLevel: 9 })
      : square.jpeg({ quality: 86, chromaSubsampling: '4:4:4' })
    ).toBuffer({ resolveWithObject: true });
    return `data:image/${info.format};base64,${data.toString('base64')}`;
  } catch (cause) {
    throw new DataError(`${what} cannot be drawn: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}

function open(picture: Picture): Sharp {
  if (picture instanceof Uint8Array) return sharp(picture);
  const { data, width, height, channels } = picture;
  if (data.length !== width * height * channels) {
    throw new DataError(
      `${height} x ${width} x ${channels} needs ${width * height * channels} bytes, got ${data.length}`,
    );
  }
  return sharp(data, { raw: { width, height, channels } });
}
