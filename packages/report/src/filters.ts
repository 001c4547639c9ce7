import { ConfigError, type HostTensor, ShapeError } from '@alex/tensor';
import { checkHostTensor, checkOneOf, checkOptions, checkWholeNumber, formatShape } from '@alex/tensor/kernels';
import { loadSharp } from './sharp.js';

/** Options of `filters` and `filtersSvg`; every size in pixels of the image. */
export interface FiltersOptions {
  /** Columns of the network, each with an equal share of the filters, drawn one below the other. Default: 1. */
  readonly columns?: number;
  /** Filters per row. Default: 16. */
  readonly perRow?: number;
  /** Side of the square that draws one weight. Default: 4. */
  readonly scale?: number;
  /** Space between filters. Default: 4; between the columns of the network it is three times as large. */
  readonly gap?: number;
  /**
   * The largest weight, which has full contrast: that of each filter, so that all are visible, or that of the whole layer, so
   * that strong filters stand out. Default: `'filter'`.
   */
  readonly contrast?: 'filter' | 'layer';
}

/**
 * Draws the filters of a first layer as a PNG, like figure 3 of the paper: one square per filter, in their order. A weight of 0
 * is mid-grey; the space between filters is transparent. If a filter has two or four channels, which are not colours, each
 * channel is a grey square, side by side.
 *
 * @param weight `[filters, channels, height, width]`: 3 channels are red, green and blue, 1 is grey; at most 4
 * @throws `ShapeError` for another shape, `ConfigError` for an unknown or invalid option, or columns that do not divide the filters.
 */
export async function filters(weight: HostTensor, options: FiltersOptions = {}): Promise<Buffer> {
  const { width, height, scale, squares } = layOut(weight, options);
  const pixels = new Uint8Array(width * height * 4);
  for (const { left, top, rows } of squares) {
    for (const [y, row] of rows.entries()) {
      for (let line = 0; line < scale; line++) {
        for (const [x, [red, green, blue]] of row.entries()) {
          const start = ((top + y * scale + line) * width + left + x * scale) * 4;
          for (let at = start; at < start + 4 * scale; at += 4) {
            pixels[at] = red;
            pixels[at + 1] = green;
            pixels[at + 2] = blue;
            pixels[at + 3] = 255;
          }
        }
      }
    }
  }
  const sharp = await loadSharp();
  return sharp(pixels, { raw: { width, height, channels: 4 } })
    .png()
    .toBuffer();
}

/**
 * The same image as an SVG, with a square for every weight: for print and close inspection.
 *
 * @throws as `filters`
 */
export function filtersSvg(weight: HostTensor, options: FiltersOptions = {}): string {
  const { width, height, scale, squares } = layOut(weight, options);
  const drawn = squares.map(({ left, top, rows }) => {
    const weights = rows.flatMap((row, y) =>
      runsOf(row).map(({ x, length, fill }) => `<path fill="${fill}" d="M${x} ${y}h${length}v1h-${length}z"/>`),
    );
    return `<g transform="translate(${left} ${top}) scale(${scale})">${weights.join('')}</g>`;
  });
  const [count, , filterHeight, filterWidth] = weight.shape;
  const { columns = 1 } = options;
  const apart = columns === 1 ? '' : `, those of ${columns} columns one below the other`;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" shape-rendering="crispEdges">` +
    `<title>${count} filters of the first layer, ${filterHeight} x ${filterWidth} each${apart}</title>${drawn.join('')}</svg>\n`
  );
}

type Colour = readonly [red: number, green: number, blue: number];

/** A filter, or a channel of one. */
interface Square {
  readonly left: number;
  readonly top: number;
  readonly rows: readonly (readonly Colour[])[];
}

interface Layout {
  readonly width: number;
  readonly height: number;
  readonly scale: number;
  readonly squares: readonly Square[];
}

/** Neighbouring weights of the same colour in a row. */
function runsOf(row: readonly Colour[]): { readonly x: number; readonly length: number; readonly fill: string }[] {
  const runs: { x: number; length: number; fill: string }[] = [];
  for (const [x, colour] of row.entries()) {
    const fill = `#${colour.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
    const last = runs.at(-1);
    if (last?.fill === fill) last.length++;
    else runs.push({ x, length: 1, fill });
  }
  return runs;
}

function layOut(weight: HostTensor, options: FiltersOptions): Layout {
  checkOptions('filters', options, ['columns', 'perRow', 'scale', 'gap', 'contrast']);
  checkHostTensor('filters', weight);
  const { columns = 1, perRow = 16, scale = 4, gap = 4, contrast = 'filter' } = options;
  const [count = 0, channels = 0, filterHeight = 0, filterWidth = 0] = weight.shape;
  const taps = filterHeight * filterWidth;
  if (weight.shape.length !== 4 || channels < 1 || channels > 4 || count * taps === 0) {
    throw new ShapeError(
      `filters: expects [filters, 3 or 1, height, width], got ${formatShape(weight.shape)}; only a first layer's ` +
        'filters can be seen as colours',
    );
  }
  for (const [name, value] of Object.entries({ columns, perRow, scale })) checkWholeNumber('filters', name, value);
  checkWholeNumber('filters', 'gap', gap, 0);
  checkOneOf('filters', 'contrast', contrast, ['filter', 'layer']);
  if (count % columns !== 0) {
    throw new ConfigError(`filters: ${columns} columns do not divide ${count} filters`);
  }
  const largest = largestOf(weight, contrast);
  // Two or four channels are not colours.
  const asColours = channels === 3;
  const parts = asColours ? 1 : channels;
  const perColumn = count / columns;
  const across = Math.min(perRow, perColumn);
  const cellHeight = filterHeight * scale + gap;
  const cellWidth = parts * filterWidth * scale + gap;
  const columnHeight = Math.ceil(perColumn / perRow) * cellHeight - gap;
  const squares: Square[] = [];
  for (let filter = 0; filter < count; filter++) {
    const place = filter % perColumn;
    const top = Math.floor(filter / perColumn) * (columnHeight + 3 * gap) + Math.floor(place / perRow) * cellHeight;
    const left = (place % perRow) * cellWidth;
    const shade = (channel: number, tap: number) => {
      const value = weight.data[(filter * channels + channel) * taps + tap]!;
      return largest[filter] === 0 ? 128 : Math.round(127.5 + (127.5 * value) / largest[filter]!);
    };
    for (let part = 0; part < parts; part++) {
      const colourOf = (tap: number): Colour =>
        [0, 1, 2].map((colour) => shade(asColours ? colour : part, tap)) as unknown as Colour;
      squares.push({
        left: left + part * filterWidth * scale,
        top,
        rows: Array.from({ length: filterHeight }, (_, y) =>
          Array.from({ length: filterWidth }, (_, x) => colourOf(y * filterWidth + x)),
        ),
      });
    }
  }
  return {
    width: across * cellWidth - gap,
    height: columns * columnHeight + (columns - 1) * 3 * gap,
    scale,
    squares,
  };
}

/** For each filter, the weight with full contrast. */
function largestOf({ shape, data }: HostTensor, contrast: 'filter' | 'layer'): number[] {
  const size = data.length / shape[0]!;
  const own = Array.from({ length: shape[0]! }, (_, filter) => {
    const largest = data
      .subarray(filter * size, (filter + 1) * size)
      .reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    if (!Number.isFinite(largest)) throw new ConfigError(`filters: filter ${filter} has a weight that is not finite`);
    return largest;
  });
  const most = Math.max(...own);
  return contrast === 'filter' ? own : own.map(() => most);
}
