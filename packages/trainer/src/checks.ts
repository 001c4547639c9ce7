import type { Augmenter } from '@alex/augment';
import type { Split } from '@alex/data';
import { ConfigError } from '@alex/tensor';
import { checkWholeNumber, kindOfArray, optionError } from '@alex/tensor/kernels';
import type { Network } from '@alex/tensor/network';

// Checks for what programs give to the functions of this package. Each error names the function.

/**
 * Options without the other fields of what `openRun` gave, which may be spread among them: `evaluate({ ...run, split })`.
 */
export function withoutOpenedRun<Options extends object>(options: Options): Options {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) return options;
  const { config, learnt, dispose, ...own } = options as Record<string, unknown>;
  return own as Options;
}

/** @throws ConfigError unless there are a network and what writes images to its input */
export function checkViewer(owner: string, viewer: { readonly network: Network; readonly augmenter: Augmenter }): void {
  const { network, augmenter } = viewer ?? {};
  if (typeof network?.evaluate !== 'function') {
    throw optionError(owner, 'network', 'a network, as place() or openRun() gives it', network);
  }
  if (typeof augmenter?.run !== 'function') {
    throw optionError(owner, 'augmenter', 'an augmenter, as createInputAugmenter() or openRun() gives it', augmenter);
  }
}

/** @throws ConfigError unless it is a split of a data set */
export function checkSplit(owner: string, split: Split, option = 'split'): void {
  if (typeof split?.read !== 'function') {
    throw optionError(owner, option, 'a split of a data set, such as dataset.validation', split);
  }
}

/** @throws ConfigError unless there is a number of images, and bytes for them */
export function checkImages(owner: string, images: { readonly count: number; readonly pixels: Uint8Array }): void {
  checkWholeNumber(owner, 'images.count', images?.count, 0);
  if (['Uint8Array', 'Uint8ClampedArray'].includes(kindOfArray(images.pixels))) return;
  throw new ConfigError(
    `${owner}: images.pixels must be a Uint8Array of values from 0 to 255, got ${kindOfArray(images.pixels)}`,
  );
}
