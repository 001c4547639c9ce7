import { ConfigError } from '@alex/tensor';
import { checkFinite, checkOneOf, checkOptions } from '@alex/tensor/kernels';
import { type History, historyOf, learningRateChanges, type Metric } from './metrics.js';
import { palette } from './palette.js';
import { type Curve, drawPanel, type Mark, type Panel, type Point } from './panel.js';

/** Options of `curves`. */
export interface CurvesOptions {
  /** Scale of the loss axis. Default: `'linear'`; on `'log'`, a loss of 0 leaves a gap. */
  readonly lossScale?: 'linear' | 'log';
  /** In pixels. Default: 960, at least 640. */
  readonly width?: number;
  /** In pixels. Default: 400, at least 240. */
  readonly height?: number;
}

/** More changes than this (a rate that falls in every step) would hide the curves. */
const mostMarkedChanges = 8;

/**
 * Draws the loss and the errors of a run over its steps as an SVG with two panels, and marks changes of the learning
 * rate. Long runs are thinned to what is visible; the strong line of training is a running mean.
 *
 * @param metrics Lines of `metrics.jsonl`, in any order; may be empty.
 * @throws `DataError` for a line with a value that cannot be drawn, such as NaN; `ConfigError` for an unknown or invalid option.
 */
export async function curves(metrics: readonly Metric[], options: CurvesOptions = {}): Promise<string> {
  checkOptions('curves', options, ['lossScale', 'width', 'height']);
  const { lossScale = 'linear', width = 960, height = 400 } = options;
  for (const [name, pixels] of Object.entries({ width, height })) checkFinite('curves', name, pixels);
  checkOneOf('curves', 'lossScale', lossScale, ['linear', 'log']);
  if (width < 640 || height < 240) {
    throw new ConfigError(`curves: width and height must be at least 640 and 240, got ${width} and ${height}`);
  }
  const history = historyOf(metrics);
  const loss = await drawPanel(width / 2, height, lossPanel(history, lossScale));
  const error = await drawPanel(width / 2, height, errorPanel(history));
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">` +
    `${loss}<g transform="translate(${width / 2})">${error}</g></svg>`
  );
}

/** The loss of a run in training and on validation images. */
export function lossPanel(history: History, scale: 'linear' | 'log' = 'linear'): Panel {
  const logarithmic = scale === 'log';
  const value = ({ loss }: Metric) => (logarithmic && loss <= 0 ? Number.NaN : loss);
  const format = (nats: number) => nats.toPrecision(3);
  return {
    ...overSteps(history),
    title: 'Loss',
    unit: logarithmic ? 'nats, logarithmic' : 'nats',
    yAxis: logarithmic ? { type: 'log', logBase: 2 } : { type: 'value', min: 0 },
    formatTick: (nats) => String(Number(nats.toPrecision(3))),
    curves: [curveOf('train', history.train, value, { format }), curveOf('val', history.val, value, { format })],
  };
}

/** The errors of a run in training and on validation images. */
export function errorPanel(history: History): Panel {
  const format = (share: number) => `${(100 * share).toFixed(1)}%`;
  const dashes = [2, 3];
  const top5 = (line: Metric) => line.top5Error;
  const top1 = (line: Metric) => line.top1Error;
  return {
    ...overSteps(history),
    title: 'Error',
    unit: 'fraction of images',
    yAxis: { type: 'value', min: 0, max: 1, interval: 0.25 },
    formatTick: (share) => `${Math.round(100 * share)}%`,
    curves: [
      curveOf('train', history.train, top5, { name: 'top-5 ', format, dashes }),
      curveOf('val', history.val, top5, { name: 'top-5 ', format, dashes }),
      curveOf('train', history.train, top1, { name: 'top-1 ', format }),
      curveOf('val', history.val, top1, { name: 'top-1 ', format }),
    ],
  };
}

/** The learning rate of each step. */
export function ratePanel({ train, val }: History): Panel {
  const points = train.flatMap(({ step, learningRate }): Point[] =>
    learningRate === undefined ? [] : [[step, learningRate > 0 ? learningRate : Number.NaN]],
  );
  return {
    ...overSteps({ train, val }),
    marks: [],
    title: 'Learning rate',
    unit: 'logarithmic',
    yAxis: { type: 'log', logBase: 10 },
    formatTick: formatRate,
    curves: [{ points, colour: palette.train, steps: true, endLabel: shortNumber }],
  };
}

/** The speed of a run. */
export function speedPanel({ train, val }: History): Panel {
  const points = train.flatMap(({ step, imagesPerSecond }): Point[] =>
    imagesPerSecond === undefined ? [] : [[step, imagesPerSecond]],
  );
  return {
    ...overSteps({ train, val }),
    marks: [],
    title: 'Speed',
    unit: 'images per second in training',
    yAxis: { type: 'value', min: 0 },
    formatTick: (images) => images.toLocaleString('en-US'),
    curves: [
      {
        points,
        colour: palette.train,
        smooth: true,
        faint: palette.trainFaint,
        endLabel: (images) => Number(images.toPrecision(3)).toLocaleString('en-US'),
      },
    ],
  };
}

function overSteps({ train, val }: History): Pick<Panel, 'x' | 'marks'> & { note?: string } {
  const changes = learningRateChanges(train);
  const max = Math.max(1, train.at(-1)?.step ?? 0, val.at(-1)?.step ?? 0);
  const tooMany = changes.length > mostMarkedChanges;
  const note =
    train.length + val.length === 0
      ? 'No steps yet'
      : tooMany
        ? `learning rate changed ${changes.length} times`
        : undefined;
  return {
    x: { name: 'step', max, whole: true, format: formatStep },
    marks: tooMany
      ? []
      : changes.map(({ step, learningRate }): Mark => ({ x: step, label: `rate ${shortNumber(learningRate)}` })),
    ...(note !== undefined && { note }),
  };
}

/** One quantity of one split, its name and last value at its end. */
function curveOf(
  split: 'train' | 'val',
  lines: readonly Metric[],
  value: (line: Metric) => number,
  { name = '', format, dashes }: { name?: string; format: (value: number) => string; dashes?: readonly number[] },
): Curve {
  return {
    points: lines.map((line): Point => [line.step, value(line)]),
    colour: palette[split],
    ...(split === 'train' && { smooth: true, faint: palette.trainFaint }),
    ...(dashes && { dashes }),
    endLabel: (last) => `${name}${split} ${format(last)}`,
  };
}

export function formatStep(step: number): string {
  return step < 10_000 ? String(step) : `${Number((step / 1000).toPrecision(4))}k`;
}

/** Of an axis: powers of ten. */
export function formatRate(rate: number): string {
  return rate < 1e-3 ? rate.toExponential(0) : shortNumber(rate);
}

export function shortNumber(value: number): string {
  return String(Number(value.toPrecision(3)));
}
