import { ConfigError } from '@alex/tensor';
import { checkWholeNumber } from '@alex/tensor/kernels';

/** Where a crop lies in its image, in pixels from the top left corner, and whether it is flipped left to right. */
export interface View {
  readonly top: number;
  readonly left: number;
  readonly mirrored: boolean;
}

/**
 * The ten views whose predictions the paper averages at test time (section 4.1): the four corner crops and the centre
 * crop, then the flips of the five.
 *
 * @param height Of the image, in pixels.
 * @param width Of the image, in pixels.
 * @param crop Side of a square crop, or `[height, width]`, in pixels; no larger than the image.
 * @throws `ConfigError` for sizes that are not positive integers, and for a crop larger than the image.
 */
export function tenViews(height: number, width: number, crop: number | readonly [number, number]): View[] {
  const [cropHeight, cropWidth] = Array.isArray(crop)
    ? (crop as readonly [number, number])
    : [crop as number, crop as number];
  for (const [name, value] of Object.entries({ height, width, cropHeight, cropWidth })) {
    checkWholeNumber('tenViews', name, value);
  }
  if (cropHeight > height || cropWidth > width) {
    throw new ConfigError(
      `tenViews: a crop of ${cropHeight} x ${cropWidth} does not fit an image of ${height} x ${width}; ` +
        'use a smaller crop or larger images',
    );
  }
  const bottom = height - cropHeight;
  const right = width - cropWidth;
  const corners = [
    [0, 0],
    [0, right],
    [bottom, 0],
    [bottom, right],
    [centreOffset(height, cropHeight), centreOffset(width, cropWidth)],
  ] as const;
  return [false, true].flatMap((mirrored) => corners.map(([top, left]) => ({ top, left, mirrored })));
}

/** The first pixel of a centred crop. If the margins cannot be equal, the smaller one comes first. */
export function centreOffset(size: number, crop: number): number {
  return Math.floor((size - crop) / 2);
}
