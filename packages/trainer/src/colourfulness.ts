import { ConfigError, type HostTensor, type NetworkDescription, ShapeError } from '@alex/tensor';
import { checkHostTensor, checkWholeNumber, formatShape } from '@alex/tensor/kernels';

/**
 * Measures how colourful the filters of a first layer are, column by column: the fraction of a filter's energy in which red,
 * green and blue differ,
 *
 * ```
 * sum over y, x, c of (w[c][y][x] - mean over c of w[c][y][x])^2  /  sum over y, x, c of w[c][y][x]^2
 * ```
 *
 * and for a column, the mean over its filters. All filters count the same, just as figure 3 of the paper scales each filter
 * separately. A filter that responds only to brightness has 0, one that does not respond to grey has 1, and noise, such as a
 * filter before training, has 2/3. Filters of zeros do not count.
 *
 * @param weight `[filters, 3, height, width]`: red, green and blue
 * @param columns the number of the network's columns, which have the same number of filters each
 * @returns a value from 0 to 1 for each column; 0 for a column of zeros
 * @throws ShapeError if the filters do not have three colours; ConfigError if the columns do not divide them, or a weight is not
 * finite
 */
export function colourfulness(weight: HostTensor, columns = 1): number[] {
  const perFilter = colourfulnessOfFilters(weight);
  checkWholeNumber('colourfulness', 'columns', columns);
  if (perFilter.length % columns !== 0) {
    throw new ConfigError(`colourfulness: ${columns} columns do not divide ${perFilter.length} filters`);
  }
  const size = perFilter.length / columns;
  return Array.from({ length: columns }, (_, column) => {
    const own = perFilter.slice(column * size, (column + 1) * size).filter((value) => value !== undefined);
    return own.length === 0 ? 0 : own.reduce((sum, value) => sum + value, 0) / own.length;
  });
}

/**
 * The same for each single filter; undefined for a filter of zeros.
 *
 * @throws ShapeError if the filters do not have three colours; ConfigError if a weight is not finite
 */
export function colourfulnessOfFilters(weight: HostTensor): (number | undefined)[] {
  checkHostTensor('colourfulness', weight);
  const [filters = 0, channels, height = 0, width = 0] = weight.shape;
  if (weight.shape.length !== 4 || channels !== 3 || filters * height * width === 0) {
    throw new ShapeError(
      `colourfulness: expects filters [filters, 3, height, width], got ${formatShape(weight.shape)}`,
    );
  }
  const taps = height * width;
  return Array.from({ length: filters }, (_, filter) => {
    const own = weight.data.subarray(filter * 3 * taps, (filter + 1) * 3 * taps);
    let all = 0;
    let colour = 0;
    for (let tap = 0; tap < taps; tap++) {
      const [red, green, blue] = [own[tap]!, own[taps + tap]!, own[2 * taps + tap]!];
      const grey = (red + green + blue) / 3;
      all += red * red + green * green + blue * blue;
      colour += (red - grey) ** 2 + (green - grey) ** 2 + (blue - grey) ** 2;
    }
    if (!Number.isFinite(all)) throw new ConfigError(`colourfulness: filter ${filter} has a weight that is not finite`);
    return all === 0 ? undefined : Math.min(1, colour / all);
  });
}

/** The name of the weight of a network's first layer, if that is a convolution of red, green and blue. */
export function colourWeight({ layers }: NetworkDescription): string | undefined {
  const weight = layers.flatMap(({ parameters }) => parameters)[0];
  return weight?.shape.length === 4 && weight.shape[1] === 3 ? weight.path : undefined;
}

/** Values for `metrics.jsonl`: `colourfulness1` of the first column, and so on. */
export function colourMetrics(weight: HostTensor, columns: number): Record<string, number> {
  return Object.fromEntries(
    colourfulness(weight, columns).map((value, column) => [`colourfulness${column + 1}`, value]),
  );
}
