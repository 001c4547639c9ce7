import { join, resolve } from 'node:path';
import { colourStatistics, type Dataset, type DatasetOptions, openDataset } from '@alex/data';
import { ConfigError } from '@alex/tensor';
import { base64FromFloats, type ImagesConfig, type RunConfig } from '@alex/trainer';
import { cacheFolder } from './cache-folder.js';
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

/** How to handle unusable image files, for data that consist of image files. */
export interface ImageChecking {
  /** Which images are checked first. Default: all. */
  readonly checked?: 'all' | 'validation' | 'none';
  /** Fraction of all images that may be unusable. Default: the usual one. */
  readonly maxRejected?: number | undefined;
  /** Called with the progress, if the check takes long. */
  readonly output?: Pick<Output, 'line'>;
}

/** Seconds between lines about the progress of the check. */
const lineEvery = 10;

function checkingOptions({ checked, maxRejected, output }: ImageChecking): DatasetOptions {
  const cache = cacheFolder();
  let lastLine = performance.now();
  return {
    ...(checked && { checked }),
    ...(maxRejected !== undefined && { maxRejected }),
    ...(cache !== undefined && { checksFolder: join(cache, 'images') }),
    onCheck(done, of) {
      if (performance.now() - lastLine < 1000 * lineEvery) return;
      lastLine = performance.now();
      const count = (value: number) => value.toLocaleString('en-US');
      output?.line(`Looking for images that cannot be used: ${count(done)} of ${count(of)} are checked.`);
    },
  };
}

/**
 * Opens data for a new run. By default, data with a fixed size keep it.
 *
 * @throws DataError if there are no usable data, ConfigError for options that the data do not support
 */
export async function openData(
  source: string,
  options: {
    readonly classes?: number | undefined;
    readonly size?: number | undefined;
    readonly usualSize: number;
  },
  checking: ImageChecking = {},
): Promise<Dataset> {
  const { classes, size, usualSize } = options;
  const checks = checkingOptions(checking);
  try {
    return await openDataset(source, { classes, size: size ?? usualSize, ...checks });
  } catch (error) {
    if (size !== undefined || !(error instanceof ConfigError)) throw error;
    return openDataset(source, { classes, ...checks });
  }
}

/** The location of the data as stored in a run: it is valid from any folder. */
export function sourceForConfig(source: string): string {
  return /^emoji(:|$)/.test(source) ? source : resolve(source);
}

/**
 * Opens data whose images fit a run's network, by size and channels, with any classes.
 *
 * @throws ConfigError if the images do not fit
 */
export async function openImagesForRun(
  { data }: Pick<RunConfig, 'data'>,
  source: string = data.source,
  checking: ImageChecking = {},
): Promise<Dataset> {
  const classes = source === 'emoji' ? data.classes.length : undefined;
  // The run's limit for its own data does not apply to other data.
  const isOwn = sourceForConfig(source) === data.source;
  const checks = checkingOptions({
    ...checking,
    maxRejected: checking.maxRejected ?? (isOwn ? data.maxRejected : undefined),
  });
  const dataset = await openDataset(source, { classes, size: data.height, ...checks }).catch(async (error: unknown) => {
    if (!(error instanceof ConfigError)) throw error;
    // No size was requested: the data have their own size, which differs.
    const own = await openDataset(source, { classes, ...checks });
    if (own.height === data.height) throw error;
    throw new ConfigError(
      `${source}: its images are ${own.height} x ${own.width}, but the run was trained on ${data.height} x ${data.width}; use data of that size, or prepare them with --size ${data.height}`,
    );
  });
  if (dataset.channels !== data.channels) {
    throw new ConfigError(
      `${source}: its images have ${dataset.channels} channels, the run was trained on images with ${data.channels}; use such images`,
    );
  }
  return dataset;
}

/**
 * Opens data for an existing run: images of its size and with its classes.
 *
 * @throws ConfigError if the data have other classes
 */
export async function openDataOfRun(
  config: Pick<RunConfig, 'data'>,
  source: string = config.data.source,
  checking: ImageChecking = {},
): Promise<Dataset> {
  const { data } = config;
  const dataset = await openImagesForRun(config, source, checking);
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
