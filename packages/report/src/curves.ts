import { ConfigError } from '@alex/tensor';
import { checkOneOf } from '@alex/tensor/kernels';
import type { LineSeriesOption } from 'echarts/charts';
import { drawSvg, fontFamily } from './draw.js';
import { type History, historyOf, learningRateChanges, type Metric } from './metrics.js';
import { palette } from './palette.js';

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
 * With more points than this, every point is drawn faintly under a running mean; with fewer, the points form the curve.
 */
const fewPoints = 60;
/** A panel has fewer pixels than this, so more points could not be distinguished. */
const mostStretches = 600;

/**
 * Draws the loss and the errors of a run over its steps as an SVG with two panels, and marks changes of the learning
 * rate. Long runs are thinned to what is visible; the strong line of training is a running mean.
 *
 * @param metrics Lines of `metrics.jsonl`, in any order; may be empty.
 * @throws `DataError` for a line with a value that cannot be drawn, such as NaN; `ConfigError` for an invalid option.
 */
export async function curves(metrics: readonly Metric[], options: CurvesOptions = {}): Promise<string> {
  const { lossScale = 'linear', width = 960, height = 400 } = options;
  checkOneOf('curves', 'lossScale', lossScale, ['linear', 'log']);
  if (!(width >= 640 && height >= 240 && Number.isFinite(width * height))) {
    throw new ConfigError(`curves: width and height must be at least 640 and 240, got ${width} and ${height}`);
  }
  const history = historyOf(metrics);
  const logarithmic = lossScale === 'log';
  const loss = await drawPanel(history, width / 2, height, {
    title: 'Loss',
    unit: logarithmic ? 'nats, logarithmic' : 'nats',
    yAxis: logarithmic ? { type: 'log', logBase: 2 } : { type: 'value', min: 0 },
    formatTick: (nats) => String(Number(nats.toPrecision(3))),
    format: (nats) => nats.toPrecision(3),
    quantities: [{ name: '', value: ({ loss: nats }) => (logarithmic && nats <= 0 ? Number.NaN : nats) }],
  });
  const error = await drawPanel(history, width / 2, height, {
    title: 'Error',
    unit: 'share of images',
    yAxis: { type: 'value', min: 0, max: 1, interval: 0.25 },
    formatTick: (share) => `${Math.round(100 * share)}%`,
    format: (share) => `${(100 * share).toFixed(1)}%`,
    quantities: [
      { name: 'top-5 ', value: (line) => line.top5Error, dotted: true },
      { name: 'top-1 ', value: (line) => line.top1Error },
    ],
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">` +
    `${loss}<g transform="translate(${width / 2})">${error}</g></svg>`
  );
}

interface Quantity {
  readonly name: string;
  readonly value: (line: Metric) => number;
  readonly dotted?: boolean;
}

interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly yAxis: object;
  readonly formatTick: (value: number) => string;
  readonly format: (value: number) => string;
  readonly quantities: readonly Quantity[];
}

function drawPanel({ train, val }: History, width: number, height: number, panel: Panel): Promise<string> {
  const { title, unit, yAxis, formatTick, format, quantities } = panel;
  const changes = learningRateChanges(train);
  const lastStep = Math.max(1, train.at(-1)?.step ?? 0, val.at(-1)?.step ?? 0);
  const label = { color: palette.muted };
  return drawSvg(width, height, {
    title: {
      text: title,
      subtext: unit,
      left: 16,
      top: 12,
      itemGap: 4,
      textStyle: { fontSize: 16, fontWeight: 600, color: palette.ink },
      subtextStyle: { fontSize: 12, ...label },
    },
    // There is room on the right for the names at the ends of the curves.
    grid: { left: 56, right: 128, top: 88, bottom: 52 },
    xAxis: {
      type: 'value',
      max: lastStep,
      minInterval: 1,
      splitNumber: 4,
      name: 'step',
      nameLocation: 'middle',
      nameGap: 30,
      nameTextStyle: label,
      axisLine: { lineStyle: { color: palette.mark } },
      axisTick: { show: false },
      axisLabel: { ...label, formatter: formatStep, showMaxLabel: lastStep === 1, hideOverlap: true },
      splitLine: { show: false },
    },
    yAxis: {
      ...yAxis,
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { ...label, formatter: formatTick, hideOverlap: true },
      splitLine: { lineStyle: { color: palette.grid } },
    },
    series: [
      ...rateMarks(changes),
      ...quantities.flatMap((quantity) => [
        ...drawCurve('train', train, quantity, format),
        ...drawCurve('val', val, quantity, format),
      ]),
    ],
    graphic: notes(train.length + val.length, changes.length),
  });
}

/**
 * One quantity of one split, with its name and last value at the end of the line; below a running mean, every point in
 * a faint colour.
 */
function drawCurve(
  split: 'train' | 'val',
  lines: readonly Metric[],
  { name, value, dotted = false }: Quantity,
  format: (value: number) => string,
): LineSeriesOption[] {
  const color = palette[split];
  const points = lines.map((line): Point => [line.step, value(line)]);
  const smooth = split === 'train' && points.length > fewPoints;
  const shared = { type: 'line', silent: true } as const;
  const faint: LineSeriesOption = {
    ...shared,
    data: thin(points),
    showSymbol: false,
    lineStyle: { color: palette.trainFaint, width: 1 },
    z: 1,
  };
  const strong: LineSeriesOption = {
    ...shared,
    data: thin(smooth ? runningMean(points) : points),
    showSymbol: points.length <= fewPoints,
    symbol: 'circle',
    symbolSize: points.length === 1 ? 8 : 4,
    lineStyle: { color, width: 2, type: dotted ? [2, 3] : 'solid' },
    itemStyle: { color },
    endLabel: {
      show: true,
      color,
      fontSize: 12,
      distance: 6,
      lineHeight: 16,
      formatter: ({ value: point }) => `${name}${split} ${format((point as Point)[1])}`,
    },
    labelLayout: { moveOverlap: 'shiftY' },
  };
  return smooth ? [faint, strong] : [strong];
}

/** A dashed line with the new rate at every change of the learning rate. */
function rateMarks(changes: readonly { step: number; learningRate: number }[]): LineSeriesOption[] {
  if (changes.length === 0 || changes.length > mostMarkedChanges) return [];
  return [
    {
      type: 'line',
      markLine: {
        silent: true,
        symbol: 'none',
        lineStyle: { color: palette.mark, type: 'dashed', width: 1 },
        label: { color: palette.muted, fontSize: 11, formatter: '{b}' },
        data: changes.map(({ step, learningRate }) => ({
          xAxis: step,
          name: `rate ${Number(learningRate.toPrecision(3))}`,
        })),
      },
    },
  ];
}

/** A note about what the curves do not show: that there are none, or that the rate changed too often to mark. */
function notes(lines: number, changes: number): object[] {
  const style = { fill: palette.muted, fontFamily, fontSize: 12 };
  const note = { type: 'text', silent: true };
  if (lines === 0) return [{ ...note, left: 'center', top: 'middle', style: { ...style, text: 'No steps yet' } }];
  if (changes > mostMarkedChanges) {
    return [{ ...note, left: 56, top: 66, style: { ...style, text: `learning rate changed ${changes} times` } }];
  }
  return [];
}

type Point = [step: number, value: number];

/** An exponential mean over about a fiftieth of the points, corrected for its start at zero. */
function runningMean(points: readonly Point[]): Point[] {
  const keep = 1 - 50 / points.length;
  let sum = 0;
  let weight = 0;
  return points.map(([step, value]) => {
    if (!Number.isNaN(value)) {
      sum = keep * sum + value;
      weight = keep * weight + 1;
    }
    return [step, sum / weight];
  });
}

/** Keeps the lowest and the highest point of each of many short intervals, and the last point of all. */
function thin(points: Point[]): Point[] {
  if (points.length <= 2 * mostStretches) return points;
  const kept: Point[] = [];
  for (let stretch = 0; stretch < mostStretches; stretch++) {
    const start = Math.floor((stretch * points.length) / mostStretches);
    const end = Math.floor(((stretch + 1) * points.length) / mostStretches);
    let lowest = start;
    let highest = start;
    for (let i = start + 1; i < end; i++) {
      if (points[i]![1] < points[lowest]![1]) lowest = i;
      if (points[i]![1] > points[highest]![1]) highest = i;
    }
    for (const i of new Set([Math.min(lowest, highest), Math.max(lowest, highest)])) kept.push(points[i]!);
  }
  const last = points.at(-1)!;
  return kept.at(-1) === last ? kept : [...kept, last];
}

function formatStep(step: number): string {
  return step < 10_000 ? String(step) : `${Number((step / 1000).toPrecision(4))}k`;
}
