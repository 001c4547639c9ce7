import { ConfigError, type HostTensor, ShapeError } from '@alex/tensor';
import { checkHostTensor, checkWholeNumber, formatShape } from '@alex/tensor/kernels';
import sharp from 'sharp';

/** Options of `filters`; every size is in pixels of the image. */
export interface FiltersOptions {
  /** Columns of the network, each with an equal share of the filters, drawn one below the other. Default: 1. */
  readonly columns?: number;
  /** Filters per row. Default: 16. */
  readonly perRow?: number;
  /** Side of the square that draws one weight. Default: 4. */
  readonly scale?: number;
  /** Space between filters. Default: 4; between the columns of the network it is three times as large. */
  readonly gap?: number;
}

/**
 * Draws the filters of a first layer as a PNG, like figure 3 of the paper: one square per filter, in order. Each filter
 * is scaled by its own largest weight, with 0 as mid-grey; the space between filters is transparent.
 *
 * @param weight `[filters, 3, height, width]` (red, green, blue), or `[filters, 1, height, width]`.
 * @throws `ShapeError` for another shape, `ConfigError` for an invalid option or for columns that do not divide the
 * filters.
 */
export async function filters(weight: HostTensor, options: FiltersOptions = {}): Promise<Buffer> {
  const { width, height, pixels } = layOutFilters(weight, options);
  return sharp(pixels, { raw: { width, height, channels: 4 } })
    .png()
    .toBuffer();
}

/** The same image as bytes: `[height, width, 4]`, red, green, blue and opacity. */
export function layOutFilters(
  weight: HostTensor,
  options: FiltersOptions,
): { width: number; height: number; pixels: Uint8Array } {
  const { columns = 1, perRow = 16, scale = 4, gap = 4 } = options;
  const [count = 0, channels, filterHeight = 0, filterWidth = 0] = weight.shape;
  if (weight.shape.length !== 4 || (channels !== 1 && channels !== 3) || count * filterHeight * filterWidth === 0) {
    throw new ShapeError(
      `filters: expects [filters, 3 or 1, height, width], got ${formatShape(weight.shape)}; only a first layer's ` +
        'filters can be seen as colours',
    );
  }
  checkHostTensor('filters', weight);
  for (const [name, value] of Object.entries({ columns, perRow, scale })) checkWholeNumber('filters', name, value);
  checkWholeNumber('filters', 'gap', gap, 0);
  if (count % columns !== 0) {
    throw new ConfigError(`filters: ${columns} columns do not divide ${count} filters`);
  }
  const perColumn = count / columns;
  const rows = Math.ceil(perColumn / perRow);
  const across = Math.min(perRow, perColumn);
  const cellHeight = filterHeight * scale + gap;
  const cellWidth = filterWidth * scale + gap;
  const columnHeight = rows * cellHeight - gap;
  const width = across * cellWidth - gap;
  const height = columns * columnHeight + (columns - 1) * 3 * gap;
  const pixels = new Uint8Array(width * height * 4);
  const filterSize = channels * filterHeight * filterWidth;

  for (let filter = 0; filter < count; filter++) {
    const values = weight.data.subarray(filter * filterSize, (filter + 1) * filterSize);
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    if (!Number.isFinite(largest)) throw new ConfigError(`filters: filter ${filter} has a weight that is not finite`);
    const place = filter % perColumn;
    const top = Math.floor(filter / perColumn) * (columnHeight + 3 * gap) + Math.floor(place / perRow) * cellHeight;
    const left = (place % perRow) * cellWidth;
    for (let y = 0; y < filterHeight * scale; y++) {
      for (let x = 0; x < filterWidth * scale; x++) {
        const at = ((top + y) * width + left + x) * 4;
        const tap = Math.floor(y / scale) * filterWidth + Math.floor(x / scale);
        for (const colour of [0, 1, 2]) {
          const value = values[(channels === 3 ? colour : 0) * filterHeight * filterWidth + tap]!;
          pixels[at + colour] = largest === 0 ? 128 : Math.round(127.5 + (127.5 * value) / largest);
        }
        pixels[at + 3] = 255;
      }
    }
  }
  return { width, height, pixels };
}
