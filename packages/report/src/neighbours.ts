import { ConfigError } from '@alex/tensor';
import { checkArray } from '@alex/tensor/kernels';
import { drawSvg } from './draw.js';
import { drawImage, type Image } from './image.js';

/** An image, and the images with the nearest features, nearest first. */
export interface Neighbours {
  readonly image: Image;
  readonly nearest: readonly Image[];
  /** The name of the image's class, for readers who cannot see the image. */
  readonly label?: string;
  /** The same for the nearest images. */
  readonly nearestLabels?: readonly string[];
}

const side = 104;
const gap = 8;
const margin = 24;
/** Separates the image from its neighbours. */
const firstGap = 32;

/**
 * Draws rows of an image and its nearest neighbours as an SVG, like figure 4 (right) of the paper.
 *
 * @throws `ConfigError` if there are no rows, `DataError` for an image that cannot be read.
 */
export async function neighbours(rows: readonly Neighbours[]): Promise<string> {
  checkArray('neighbours', 'rows', rows);
  for (const [row, { nearest }] of rows.entries()) checkArray('neighbours', `nearest of row ${row}`, nearest);
  if (rows.length === 0) throw new ConfigError('neighbours: there are none to draw; give at least one row');
  const most = Math.max(...rows.map(({ nearest }) => nearest.length));
  const groups = rows.flatMap(({ image, nearest }, row) =>
    [image, ...nearest].map(async (each, column) => ({
      type: 'group',
      x: margin + column * (side + gap) + (column > 0 ? firstGap - gap : 0),
      y: margin + row * (side + gap),
      children: await drawImage(`row ${row}, image ${column}`, each, side),
    })),
  );
  const width = 2 * margin + side + (most > 0 ? firstGap - gap + most * (side + gap) : 0);
  const height = 2 * margin + rows.length * (side + gap) - gap;
  return drawSvg(width, height, { graphic: { elements: await Promise.all(groups) } });
}
