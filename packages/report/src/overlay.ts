import { formatRate, formatStep, shortNumber } from './curves.js';
import { type History, historyOf, type Metric } from './metrics.js';
import { runColours } from './palette.js';
import type { Curve, Panel, Point } from './panel.js';

/** One of several compared runs. */
export interface ComparedRun {
  readonly name: string;
  /** Lines of `metrics.jsonl`; may be empty. */
  readonly metrics: readonly Metric[];
  /** Images per step; for curves over time. */
  readonly batch: number;
}

/** The horizontal axis of the curves: epochs, steps, or hours spent in steps. */
export const comparisonAxes = ['epoch', 'step', 'time'] as const;
export type ComparisonAxis = (typeof comparisonAxes)[number];

/** The style of a run's curve: different for each of 24 runs. */
export interface RunStroke {
  readonly colour: string;
  readonly dashes?: readonly number[];
}

const dashes: readonly (readonly number[] | undefined)[] = [undefined, [7, 3], [2, 3], [8, 3, 2, 3]];

/** Consecutive runs differ in colour and in dashes, so that either is enough to distinguish them. */
export function strokeOf(run: number): RunStroke {
  const pattern = dashes[(run + Math.floor(run / runColours.length)) % dashes.length];
  return { colour: runColours[run % runColours.length]!, ...(pattern && { dashes: pattern }) };
}

/** Several runs in one diagram, for each diagram of a report. */
export function overlayPanels(runs: readonly ComparedRun[], by: ComparisonAxis): Panel[] {
  const drawn = runs.map((run) => ({ ...run, history: historyOf(run.metrics) }));
  const places = drawn.map(({ history, batch }) => placesOf(history, batch, by));
  const most = Math.max(0, ...places.flatMap((place, run) => ends(drawn[run]!.history).map(place)));
  const x: Panel['x'] = {
    name: { epoch: 'epoch', step: 'step', time: most > 3600 ? 'hours in steps' : 'seconds in steps' }[by],
    max: most > 0 ? most : 1,
    format: by === 'time' && most > 3600 ? (seconds) => shortNumber(seconds / 3600) : formatStep,
    whole: by === 'step',
  };
  const panel = (
    rest: Omit<Panel, 'x' | 'curves'>,
    split: keyof History,
    value: (line: Metric) => number | undefined,
    curve: Pick<Curve, 'endLabel' | 'smooth' | 'steps'>,
  ): Panel | undefined => {
    const curves = drawn.map(({ history }, run): Curve => {
      const points = history[split].flatMap((line): Point[] => {
        const y = value(line);
        return y === undefined ? [] : [[places[run]!(line), y]];
      });
      return { points, ...strokeOf(run), ...curve };
    });
    return curves.some(({ points }) => points.length > 0) ? { ...rest, x, curves, right: 72 } : undefined;
  };
  const nats = { formatTick: (loss: number) => shortNumber(loss), yAxis: { type: 'value', min: 0 }, unit: 'nats' };
  const errors = {
    unit: 'fraction of images',
    yAxis: { type: 'value', min: 0, max: 1, interval: 0.25 },
    formatTick: (share: number) => `${Math.round(100 * share)}%`,
  };
  const asLoss = { endLabel: (loss: number) => loss.toPrecision(3) };
  const asShare = { endLabel: (share: number) => `${(100 * share).toFixed(1)}%` };
  const panels = [
    panel({ title: 'Top-1 error, validation', ...errors }, 'val', (line) => line.top1Error, asShare),
    panel({ title: 'Top-5 error, validation', ...errors }, 'val', (line) => line.top5Error, asShare),
    panel({ title: 'Loss, validation', ...nats }, 'val', (line) => line.loss, asLoss),
    panel({ title: 'Loss, training', ...nats, unit: 'nats, running mean' }, 'train', (line) => line.loss, {
      ...asLoss,
      smooth: true,
    }),
    panel(
      { title: 'Top-1 error, training', ...errors, unit: 'fraction of images, running mean' },
      'train',
      (line) => line.top1Error,
      { ...asShare, smooth: true },
    ),
    panel(
      { title: 'Learning rate', unit: 'logarithmic', yAxis: { type: 'log', logBase: 10 }, formatTick: formatRate },
      'train',
      ({ learningRate }) => (learningRate !== undefined && learningRate > 0 ? learningRate : undefined),
      { endLabel: shortNumber, steps: true },
    ),
    panel(
      {
        title: 'Speed',
        unit: 'images per second in training',
        yAxis: { type: 'value', min: 0 },
        formatTick: (images) => images.toLocaleString('en-US'),
      },
      'train',
      ({ imagesPerSecond }) => imagesPerSecond,
      { endLabel: (images) => Number(images.toPrecision(3)).toLocaleString('en-US'), smooth: true },
    ),
  ];
  return panels.filter((each) => each !== undefined);
}

function ends({ train, val }: History): Metric[] {
  return [train.at(-1), val.at(-1)].filter((line) => line !== undefined);
}

/** The position of a line of metrics on the axis. */
function placesOf({ train }: History, batch: number, by: ComparisonAxis): (line: Metric) => number {
  if (by === 'epoch') return ({ epoch }) => epoch;
  if (by === 'step') return ({ step }) => step;
  const seconds = new Map<number, number>();
  let sum = 0;
  for (const { step, imagesPerSecond } of train) {
    if (imagesPerSecond !== undefined && imagesPerSecond > 0) sum += batch / imagesPerSecond;
    seconds.set(step, sum);
  }
  // An evaluation is at the position of the step before it.
  return ({ step }) => seconds.get(step) ?? sum;
}
