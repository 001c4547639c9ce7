import { resolve } from 'node:path';
import { colourStatistics, type Dataset, openDataset } from '@alex/data';
import { ConfigError } from '@alex/tensor';
import { base64FromFloats, type ImagesConfig, type RunConfig } from '@alex/trainer';
import type { Output } from './output.js';

/** The mean of this many images matches that of all of them to a pixel value or two. */
const imagesForStatistics = 1024;

/**
 * The mean and the colour statistics of images: for prepared data the mean image and the statistics of all images, for
 * others a mean colour and the statistics of some of them.
 */
export async function measureImages(
  dataset: Dataset,
  { colourStrength }: { readonly colourStrength: number },
): Promise<Pick<ImagesConfig, 'mean' | 'meanImage' | 'colour'>> {
  const { statistics } = dataset;
  const { mean, standardDeviations, axes } =
    statistics?.colour ?? (await colourStatistics(dataset.train, { limit: imagesForStatistics }));
  return {
    mean: [...mean],
    ...(statistics && { meanImage: base64FromFloats(statistics.meanImage) }),
    // Colour shifts need colours.
    ...(colourStrength > 0 &&
      dataset.channels === 3 && {
        colour: {
          standardDeviations: [...standardDeviations],
          axes: axes.map((axis) => [...axis]),
          strength: colourStrength,
        },
      }),
  };
}

/**
 * Opens data for a new run. By default, data with a fixed size keep it.
 *
 * @throws DataError if there are no usable data, ConfigError for options that the data do not support
 */
export async function openData(
  source: string,
  options: { readonly classes?: number | undefined; readonly size?: number | undefined; readonly usualSize: number },
): Promise<Dataset> {
  const { classes, size, usualSize } = options;
  try {
    return await openDataset(source, { classes, size: size ?? usualSize });
  } catch (error) {
    if (size !== undefined || !(error instanceof ConfigError)) throw error;
    return openDataset(source, { classes });
  }
}

/** The location of the data as stored in a run: it is valid from any folder. */
export function sourceForConfig(source: string): string {
  return /^emoji(:|$)/.test(source) ? source : resolve(source);
}

/**
 * Opens data for an existing run: images of the size and with the classes that its network expects.
 *
 * @throws ConfigError if the data have other classes
 */
export async function openDataOfRun({ data }: RunConfig, source: string = data.source): Promise<Dataset> {
  const classes = source === 'emoji' ? data.classes.length : undefined;
  const dataset = await openDataset(source, { classes, size: data.height }).catch(async (error: unknown) => {
    if (!(error instanceof ConfigError)) throw error;
    // No size was requested, and the data have a fixed size that differs.
    const own = await openDataset(source, { classes });
    if (own.height === data.height) throw error;
    throw new ConfigError(
      `${source}: its images are ${own.height} x ${own.width}, but the run was trained on ${data.height} x ${data.width}; use data of that size, or prepare them with --size ${data.height}`,
    );
  });
  if (dataset.classes.join('\n') !== data.classes.join('\n')) {
    throw new ConfigError(
      `${source}: has ${dataset.classes.length} classes (${listed(dataset.classes)}), but the run has ` +
        `${data.classes.length} (${listed(data.classes)}); use data with the same classes`,
    );
  }
  return dataset;
}

/** Prints remarks about how data were read; once, if several runs have the same data. */
export function sayRemarks(datasets: readonly Dataset[], output: Output): void {
  for (const remark of new Set(datasets.flatMap(({ remarks = [] }) => remarks))) output.line(remark);
}

function listed(names: readonly string[]): string {
  return names.length > 3 ? `${names.slice(0, 3).join(', ')}, ...` : names.join(', ');
}
