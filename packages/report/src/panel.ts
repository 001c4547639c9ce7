import type { LineSeriesOption } from 'echarts/charts';
import { drawSvg, fontFamily } from './draw.js';
import { palette } from './palette.js';

export type Point = readonly [x: number, y: number];

/** A curve of a panel, in the order of x. */
export interface Curve {
  readonly points: readonly Point[];
  readonly colour: string;
  /** Whether a running mean is drawn if there are many points. */
  readonly smooth?: boolean;
  /** The colour of single points beneath a running mean. Default: they are not drawn. */
  readonly faint?: string;
  /** Lengths of dash and gap. Default: a solid line. */
  readonly dashes?: readonly number[];
  /** Whether values change in steps instead of gradually. */
  readonly steps?: boolean;
  /** The label at the curve's end, for its last value. Default: none. */
  readonly endLabel?: (value: number) => string;
}

/** The position of a vertical line with a label at its top. */
export interface Mark {
  readonly x: number;
  readonly label: string;
}

/** One diagram. */
export interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly x: {
    readonly name: string;
    readonly max: number;
    readonly format: (value: number) => string;
    readonly whole?: boolean;
  };
  /** An axis of ECharts. */
  readonly yAxis: object;
  readonly formatTick: (value: number) => string;
  readonly curves: readonly Curve[];
  readonly marks?: readonly Mark[];
  /** Above the curves, or in the middle if there are none. */
  readonly note?: string;
  /** Space for the names at the ends of curves, in pixels. Default: 128. */
  readonly right?: number;
}

/** Above this many points a curve is noise with a line through it; below, the points are the curve. */
const fewPoints = 60;
/** A panel has fewer pixels across, so more points could not be distinguished. */
const mostStretches = 600;

/** Draws a panel as a separate SVG. */
export function drawPanel(width: number, height: number, panel: Panel): Promise<string> {
  const { title, unit, x, yAxis, formatTick, curves, marks = [], right = 128 } = panel;
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
    grid: { left: 56, right, top: 88, bottom: 52 },
    xAxis: {
      type: 'value',
      max: x.max,
      ...(x.whole && { minInterval: 1 }),
      splitNumber: 4,
      name: x.name,
      nameLocation: 'middle',
      nameGap: 30,
      nameTextStyle: label,
      axisLine: { lineStyle: { color: palette.mark } },
      axisTick: { show: false },
      axisLabel: { ...label, formatter: x.format, showMaxLabel: x.max === 1, hideOverlap: true },
      splitLine: { show: false },
    },
    yAxis: {
      ...yAxis,
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { ...label, formatter: formatTick, hideOverlap: true },
      splitLine: { lineStyle: { color: palette.grid } },
    },
    series: [...markLines(marks), ...curves.flatMap(drawCurve)],
    graphic: noteOf(panel),
  });
}

/** A curve with its name at its end; beneath a running mean, every point in a faint colour. */
function drawCurve({ points, colour, smooth = false, faint, dashes, steps, endLabel }: Curve): LineSeriesOption[] {
  const smoothed = smooth && points.length > fewPoints;
  // A value belongs to the step that ends there.
  const shared = { type: 'line', silent: true, step: steps ? 'start' : false } as const;
  const beneath: LineSeriesOption = {
    ...shared,
    data: thin(points) as [number, number][],
    showSymbol: false,
    lineStyle: { color: faint ?? colour, width: 1 },
    z: 1,
  };
  const strong: LineSeriesOption = {
    ...shared,
    data: thin(smoothed ? runningMean(points) : points) as [number, number][],
    showSymbol: points.length <= fewPoints,
    symbol: 'circle',
    symbolSize: points.length === 1 ? 8 : 4,
    lineStyle: { color: colour, width: 2, type: dashes ? [...dashes] : 'solid' },
    itemStyle: { color: colour },
    endLabel: {
      show: endLabel !== undefined,
      color: colour,
      fontSize: 12,
      distance: 6,
      lineHeight: 16,
      formatter: ({ value: point }) => endLabel?.((point as Point)[1]) ?? '',
    },
    labelLayout: { moveOverlap: 'shiftY' },
  };
  return smoothed && faint !== undefined ? [beneath, strong] : [strong];
}

/** Dashed upright lines. */
function markLines(marks: readonly Mark[]): LineSeriesOption[] {
  if (marks.length === 0) return [];
  return [
    {
      type: 'line',
      markLine: {
        silent: true,
        symbol: 'none',
        lineStyle: { color: palette.mark, type: 'dashed', width: 1 },
        label: { color: palette.muted, fontSize: 11, formatter: '{b}' },
        data: marks.map(({ x, label }) => ({ xAxis: x, name: label })),
      },
    },
  ];
}

function noteOf({ note, curves }: Panel): object[] {
  if (note === undefined) return [];
  const style = { fill: palette.muted, fontFamily, fontSize: 12, text: note };
  const place = curves.some(({ points }) => points.length > 0)
    ? { left: 56, top: 66 }
    : { left: 'center', top: 'middle' };
  return [{ type: 'text', silent: true, ...place, style }];
}

/** An exponential mean over about a fiftieth of the points, corrected for its start at zero. */
function runningMean(points: readonly Point[]): Point[] {
  const keep = Math.max(0, 1 - 50 / points.length);
  let sum = 0;
  let weight = 0;
  return points.map(([x, value]) => {
    if (!Number.isNaN(value)) {
      sum = keep * sum + value;
      weight = keep * weight + 1;
    }
    return [x, sum / weight];
  });
}

/** Keeps the lowest and the highest point of each of many short intervals, and the very last point. */
function thin(points: readonly Point[]): readonly Point[] {
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
