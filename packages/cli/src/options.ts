import { variants } from '@alex/model-alexnet';
import { strategies } from '@alex/multi-gpu';
import { type TuningEffort, tuningEfforts } from '@alex/tensor/kernels';
import { precisions } from '@alex/tensor/network';
import { InvalidArgumentError, Option } from 'commander';

/** A parser for commander: a whole number within bounds. */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a whole number ${range}.`);
  };
}

/** A parser for commander: a number above 0; `0x10` is more likely a slip than 16. */
export function positiveNumber(text: string): number {
  const value = decimal(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError('It must be a number above 0.');
}

/** The number that a text is in decimal notation, else NaN. */
export function decimal(text: string): number {
  return /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim()) ? Number(text) : Number.NaN;
}

/** A parser for commander: a percentage such as `0.1%`, as a number from 0 to 1. */
export function percentage(text: string): number {
  const value = Number(/^(\d+(?:\.\d+)?)%$/.exec(text)?.[1]);
  if (value >= 0 && value <= 100) return value / 100;
  throw new InvalidArgumentError('It must be a percentage such as 0.1%.');
}

/** A parser for commander: a size such as `500MB` or `4GB`, in bytes. */
export function byteSize(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([kMGT]?)B?$/i.exec(text.trim()) ?? [];
  const bytes = Math.floor(Number(number) * 1000 ** ['', 'K', 'M', 'G', 'T'].indexOf(unit?.toUpperCase() ?? '-'));
  if (bytes > 0 && Number.isSafeInteger(bytes)) return bytes;
  throw new InvalidArgumentError('It must be a size such as 4GB.');
}

/** Options of every command. */
export interface CommonOptions {
  readonly json?: boolean;
}

/** Options of every command that uses an adapter. */
export interface AdapterOptions extends CommonOptions {
  readonly adapters?: string;
}

/** Options of every command whose speed matters. */
export interface TuningOptions {
  readonly tune?: TuningEffort;
  readonly tunings?: string;
}

export const jsonOption = () =>
  new Option('--json', 'print one JSON value on standard output, and everything else on standard error');

const modelNames = variants.map(({ name }) => name).join(', ');

/** @param purpose what the network is used for */
export const modelOption = (purpose: string) =>
  new Option('--model <name>', `${purpose}: ${modelNames} (default: paper)`);

export const batchOption = () =>
  new Option('--batch <n>', 'images per step (default: the published batch size)').argParser(wholeNumber(1));

/**
 * An option that is taken in the singular and in the plural: nobody remembers which it is. Help and errors show one of them.
 *
 * The only place that reads the environment.
 */
function adapterNaming(shown: string, description: string): Option {
  const option = new Option('--adapter, --adapters <names>', description).env('ALEX_ADAPTER');
  option.flags = shown;
  return option;
}

/** For commands that use one adapter. */
export const adapterOption = () =>
  adapterNaming(
    '--adapter <name>',
    'the adapter to compute on: part of its name, or its number in `devices` (default: the best one)',
  );

/** For the list of adapters itself. */
export const shownAdaptersOption = () =>
  adapterNaming(
    '--adapters <names>',
    'list these only, separated by commas: part of each name, or its number; with --tune, the one to tune (default: list all, tune the best one)',
  );

/** For commands that can use several adapters at once. */
export const adaptersOption = () =>
  adapterNaming(
    '--adapters <names>',
    'the adapters to compute on, separated by commas: part of each name, or its number in `devices`; the same name twice means two adapters of that name, or one opened twice (default: the best one)',
  );

export const strategyOption = () =>
  new Option(
    '--strategy <name>',
    'how several adapters share the work: model, one column each as in the paper; data, some images each; hybrid, convolutions as data and the rest as model; auto, the fastest by measured speed (default: model)',
  ).choices([...strategies, 'auto']);

export const precisionOption = () =>
  new Option(
    '--precision <name>',
    'how activations and weights are stored: float32, or mixed, in 16 bits on adapters with shader-f16 (default: float32)',
  ).choices(precisions);

/** @param byDefault the behaviour without the option */
export const tuneOption = (byDefault: string) =>
  new Option(
    '--tune <effort>',
    `how to choose kernels: time a few candidates first (quick) or all (full), use earlier timings (cached), or none (off) (default: ${byDefault})`,
  ).choices(tuningEfforts);

export const tuningsOption = () =>
  new Option('--tunings <file>', 'use the kernels named in a file of `devices --tune` or of a run').conflicts('tune');

export const layerOption = () =>
  new Option(
    '--layer <name>',
    'the layer, by its name in the network: conv1, or fc7 before and relu7 after its ReLU (default: the last hidden layer, as the last layer reads it, without dropout)',
  );

export const weightsOption = () =>
  new Option(
    '--weights <file>',
    "a file instead of a run: an ONNX model, safetensors of this program or with torchvision's names, or a caffemodel",
  ).conflicts('run');

export const meanOption = () =>
  new Option(
    '--mean <file>',
    "for Caffe's weights: the mean image, imagenet_mean.binaryproto (default: the mean colour)",
  );

export const labelsOption = () =>
  new Option(
    '--labels <file>',
    'class names, one per line, for a network from a file (default: those that it has, or numbers)',
  );

/** @param images which images are meant */
export const maxRejectedOption = (images: string) =>
  new Option('--max-rejected <fraction>', `of a folder of images: ${images} (default: 0.1%)`).argParser(percentage);

export const seedParser = wholeNumber(0, 2 ** 32 - 1);
