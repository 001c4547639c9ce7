import { formatStep } from './curves.js';
import type { History, Metric } from './metrics.js';
import { palette, runColours } from './palette.js';
import type { Curve, Panel, Point } from './panel.js';

/** The value of filters before training. */
const ofNoise = 2 / 3;

/** How colourful each column of the network is, as recorded by `train` with every evaluation; undefined for other lines. */
export function colourfulnessOf({ extra = {} }: Metric): number[] {
  const columns: number[] = [];
  while (extra[`colourfulness${columns.length + 1}`] !== undefined) {
    columns.push(extra[`colourfulness${columns.length + 1}`]!);
  }
  return columns;
}

/**
 * The fraction of colour in the energy of the first layer's filters, column by column, during training; undefined for runs that
 * did not record it.
 */
export function colourPanel({ val }: History): Panel | undefined {
  const noted = val.flatMap((line) => {
    const columns = colourfulnessOf(line);
    return columns.length === 0 ? [] : [{ step: line.step, columns }];
  });
  const last = noted.at(-1);
  if (!last) return undefined;
  const curves = last.columns.map((_, column): Curve => {
    const name = last.columns.length === 1 ? '' : `column ${column + 1} `;
    return {
      points: noted.map(({ step, columns }): Point => [step, columns[column] ?? Number.NaN]),
      colour: runColours[column % runColours.length]!,
      endLabel: (share) => `${name}${percent(share)}`,
    };
  });
  const noise: Curve = {
    points: [
      [0, ofNoise],
      [last.step, ofNoise],
    ],
    colour: palette.muted,
    dashes: [2, 3],
    endLabel: () => 'noise',
  };
  return {
    title: 'Colour',
    unit: 'fraction of the energy of first-layer filters',
    x: { name: 'step', max: last.step, whole: true, format: formatStep },
    yAxis: { type: 'value', min: 0, max: 1, interval: 0.25 },
    formatTick: percent,
    curves: [noise, ...curves],
  };
}

/** The same in words, for readers who cannot see it. */
export function colourInWords({ val }: History): string {
  const [first, last] = [
    val.find((line) => colourfulnessOf(line).length > 0),
    val.findLast((line) => colourfulnessOf(line).length > 0),
  ];
  if (!first || !last) return '';
  const then = colourfulnessOf(first);
  const parts = colourfulnessOf(last).map((share, column) => {
    const name = then.length === 1 ? 'the filters' : `column ${column + 1}`;
    return `${name} from ${percent(then[column]!)} at step ${first.step} to ${percent(share)} at step ${last.step}`;
  });
  return `Fraction of colour: ${parts.join('; ')}; for noise, it is ${percent(ofNoise)}.`;
}

function percent(share: number): string {
  return `${Math.round(100 * share)}%`;
}
