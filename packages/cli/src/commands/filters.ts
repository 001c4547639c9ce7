import { extname } from 'node:path';
import type { FiltersOptions } from '@alex/report';
import { ConfigError, type HostTensor } from '@alex/tensor';
import { colourfulness, type Metrics, RunDirectory } from '@alex/trainer';
import { exitCode } from '../failure.js';
import { firstFilters } from '../first-filters.js';
import { givenNetwork, type NetworkChoice } from '../given-network.js';
import type { CommonOptions } from '../options.js';
import type { Output } from '../output.js';
import { descriptionOf } from '../session.js';
import { checkPlace, writeResult } from '../write-result.js';

/** What `filters` takes. */
export interface FiltersCommandOptions extends CommonOptions, NetworkChoice, Omit<FiltersOptions, 'columns'> {
  readonly to: string;
}

/** How colourful the columns were at an evaluation. */
interface Moment {
  readonly step: number;
  readonly epoch: number;
  readonly colourfulness: readonly number[];
}

/** Draws a network's first filters, and prints how colourful its columns are and were; returns the exit code. */
export async function filtersCommand(options: FiltersCommandOptions, output: Output): Promise<number> {
  const { to, perRow, scale, gap, contrast } = options;
  await checkPlace('--to', to, { endings: ['.png', '.svg'] });
  const draw = await drawerFor(to);
  const network = await givenNetwork(options, output);
  const description = descriptionOf(network);
  const { weights } = await network.learnt();
  const weight = firstFilters(description, weights);
  if (!weight) {
    throw new ConfigError(
      `${network.path}: the filters of the first layer of ${description.name} cannot be drawn: only those of a convolution or a dense layer can`,
    );
  }
  const { columns } = description;
  const given = Object.entries({ perRow, scale, gap, contrast }).filter(([, value]) => value !== undefined);
  await writeResult(to, await draw(weight, { columns: columnsOf(weight, columns), ...Object.fromEntries(given) }));
  const colours = weight.shape[1] === 3 ? colourfulness(weight, columnsOf(weight, columns)) : undefined;
  const history = colours && options.run !== undefined ? await colourHistory(options.run) : [];
  output.result({ to, filters: weight.shape, ...(colours && { colourfulness: colours }), history });
  output.line(`${to} shows the ${weight.shape[0]} filters of the first layer.`);
  if (colours) {
    output.line(`Fraction of their energy in colour (noise: 67%): ${inWords(colours)}.`);
    for (const { step, colourfulness: then } of some(history)) output.line(`  step ${step}: ${inWords(then)}`);
  }
  return exitCode.success;
}

/** Dense layers and the like have the filters of all columns in one block. */
function columnsOf({ shape }: HostTensor, columns: number): number {
  return shape[0]! % columns === 0 ? columns : 1;
}

type Draw = (weight: HostTensor, options: FiltersOptions) => Promise<string | Uint8Array>;

async function drawerFor(file: string): Promise<Draw> {
  // Imported only now: the drawing code takes longer to load than everything else together.
  const { filters, filtersSvg } = await import('@alex/report');
  return extname(file).toLowerCase() === '.png' ? filters : async (weight, options) => filtersSvg(weight, options);
}

/** The values recorded with each evaluation; none in runs that started before they were recorded. */
export async function colourHistory(run: string): Promise<Moment[]> {
  const metrics = await (await RunDirectory.open(run)).readMetrics();
  return metrics.flatMap((line) => {
    const own = coloursOf(line);
    return own.length === 0 ? [] : [{ step: line.step, epoch: line.epoch, colourfulness: own }];
  });
}

function coloursOf({ extra = {} }: Metrics): number[] {
  const found: number[] = [];
  for (let column = 1; extra[`colourfulness${column}`] !== undefined; column++) {
    found.push(extra[`colourfulness${column}`]!);
  }
  return found;
}

function inWords(colours: readonly number[]): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
  if (colours.length === 1) return percent(colours[0]!);
  return colours.map((share, i) => `column ${i + 1} ${percent(share)}`).join(', ');
}

/** At most ten, from the first to the last. */
function some<Value>(values: readonly Value[]): Value[] {
  const most = 10;
  if (values.length <= most) return [...values];
  return Array.from({ length: most }, (_, i) => values[Math.round((i * (values.length - 1)) / (most - 1))]!);
}
