// The curves: loss, error, speed and learning rate.
import { element } from '/elements.js';
import { history, placeOf, rateChanges, runningMean } from '/history.js';
import { formatStep, percent, short, whole } from '/numbers.js';
import uPlot from '/uplot.js';

/** The visible part of the run; undefined for all of it. */
let view;
let charts = [];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** The value of a curve at a line of training: the line's own value, or a mean of previous ones. */
const own = (column) => (i) => history.train[column][i];

function mean(column) {
  const means = runningMean(history.train[column]);
  return (i) => means[i];
}

/** The value of a validation curve there: usually null. */
function held(column) {
  const values = new Map(validationPlaces().map((place, i) => [place, history.val[column][i]]));
  return (i) => values.get(i) ?? null;
}

/** Positions of the validation lines among those of training, which has a line for every step. */
function validationPlaces() {
  const { step } = history.train;
  return history.val.step.map((wanted) => {
    const place = placeOf(step, wanted);
    return step[place] === wanted ? place : -1;
  });
}

/** A chart has fewer pixels across than twice this. */
const mostStretches = 600;

/**
 * The lines to draw: those in view, or if there are too many, as many as can be distinguished. For each short interval,
 * these are where the first curve is lowest and highest, and every validation.
 */
function placesInView(curve) {
  const { step } = history.train;
  const first = view ? Math.max(0, placeOf(step, view[0]) - 1) : 0;
  const end = view ? Math.min(step.length, placeOf(step, view[1]) + 1) : step.length;
  const count = end - first;
  if (count <= 2 * mostStretches) return Array.from({ length: count }, (_, i) => first + i);
  const kept = new Set([first, end - 1]);
  for (let stretch = 0; stretch < mostStretches; stretch++) {
    const start = first + Math.floor((stretch * count) / mostStretches);
    const stop = first + Math.floor(((stretch + 1) * count) / mostStretches);
    let lowest = start;
    let highest = start;
    for (let i = start + 1; i < stop; i++) {
      if (curve(i) < curve(lowest)) lowest = i;
      if (curve(i) > curve(highest)) highest = i;
    }
    kept.add(lowest).add(highest);
  }
  for (const place of validationPlaces()) if (place >= first && place < end) kept.add(place);
  return [...kept].sort((one, other) => one - other);
}

/** The data for uPlot: steps, and the values of each curve there. */
function drawn(curves) {
  const places = placesInView(curves[0]);
  return [places.map((i) => history.train.step[i]), ...curves.map((curve) => places.map(curve))];
}

const mostMarkedChanges = 12;

function chartKinds() {
  const value = (format) => (_, shown) => (shown == null ? '–' : format(shown));
  const line = (label, stroke, format, more) => ({
    label,
    stroke: colour(stroke),
    width: 2,
    points: { show: false },
    value: value(format),
    ...more,
  });
  const faint = { stroke: colour('trainFaint'), width: 1, points: { show: false }, label: 'each step' };
  const validation = { spanGaps: true, points: { show: true, size: 5, fill: colour('val'), stroke: colour('val') } };
  const dotted = { dash: [2, 4] };
  return [
    {
      id: 'loss',
      series: [{ ...faint, value: value(short) }, line('train', 'train', short), line('val', 'val', short, validation)],
      curves: () => [own('loss'), mean('loss'), held('loss')],
      format: short,
      marks: true,
    },
    {
      id: 'error',
      series: [
        line('train top-1', 'train', percent),
        line('train top-5', 'train', percent, dotted),
        line('val top-1', 'val', percent, validation),
        line('val top-5', 'val', percent, { ...validation, ...dotted }),
      ],
      curves: () => [mean('top1Error'), mean('top5Error'), held('top1Error'), held('top5Error')],
      format: (share) => `${Math.round(100 * share)}%`,
      marks: true,
    },
    {
      id: 'speed',
      series: [{ ...faint, value: value(short) }, line('mean', 'train', short)],
      curves: () => [own('imagesPerSecond'), mean('imagesPerSecond')],
      format: short,
    },
    {
      id: 'rate',
      series: [line('rate', 'train', short, { paths: uPlot.paths.stepped({ align: -1 }) })],
      // A rate of 0 cannot be shown on a logarithmic scale.
      curves: () => [(i) => history.train.learningRate[i] || null],
      format: short,
      logarithmic: true,
    },
  ];
}

/** Draws a dashed line and the new rate at every change of the learning rate. */
function drawMarks(chart) {
  const changes = rateChanges();
  if (changes.length === 0 || changes.length > mostMarkedChanges) return;
  const { ctx, bbox } = chart;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = colour('mark');
  ctx.fillStyle = colour('muted');
  ctx.lineWidth = ratio;
  ctx.setLineDash([4 * ratio, 4 * ratio]);
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  ctx.textAlign = 'left';
  let free = -Infinity;
  for (const { step, rate } of changes) {
    const x = Math.round(chart.valToPos(step, 'x', true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const text = `rate ${short(rate)}`;
    const { width } = ctx.measureText(text);
    // Only if it hides no other label and stays within the image.
    if (x < free || x + width + 4 * ratio > bbox.left + bbox.width) continue;
    ctx.fillText(text, x + 4 * ratio, bbox.top + 11 * ratio);
    free = x + width + 8 * ratio;
  }
  ctx.restore();
}

export function buildCharts() {
  for (const { chart } of charts) chart.destroy();
  charts = chartKinds().map(({ id, series, curves, format, marks, logarithmic }) => {
    const place = element(id);
    const axis = {
      stroke: colour('muted'),
      font: '11px system-ui, sans-serif',
      grid: { stroke: colour('grid'), width: 1 },
      ticks: { show: false },
    };
    const options = {
      ...sizeOf(place),
      series: [{ label: 'step', value: (_, step) => (step == null ? '–' : whole(step)) }, ...series],
      scales: {
        x: { time: false, range: () => view ?? [0, Math.max(1, history.train.step.at(-1) ?? 1)] },
        y: logarithmic
          ? { distr: 3, range: (_, least, most) => (most > 0 ? [least / 3, most * 3] : [0.001, 1]) }
          : { range: (_, _least, most) => [0, most > 0 ? Math.min(id === 'error' ? 1 : Infinity, most * 1.05) : 1] },
      },
      axes: [
        { ...axis, grid: { show: false }, values: (_, ticks) => ticks.map(formatStep), space: 70, size: 28, gap: 4 },
        { ...axis, values: (_, ticks) => ticks.map((tick) => (tick === null ? '' : format(tick))), size: 52, gap: 6 },
      ],
      padding: [8, 20, 0, 0],
      cursor: { y: false, sync: { key: 'run' }, drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
      legend: { markers: { width: 0, fill: (chart, i) => chart.series[i].stroke() } },
      hooks: {
        draw: marks ? [drawMarks] : [],
        setSelect: [
          (chart) => {
            const { left, width } = chart.select;
            if (width < 4) return;
            view = [chart.posToVal(left, 'x'), chart.posToVal(left + width, 'x')];
            chart.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
            drawCharts();
          },
        ],
      },
    };
    const chart = new uPlot(options, drawn(curves()), place);
    chart.over.addEventListener('dblclick', () => {
      view = undefined;
      drawCharts();
    });
    return { chart, curves, place };
  });
}

/** The legend below a chart takes some of its space. */
const sizeOf = (place) => ({ width: Math.max(200, place.clientWidth), height: place.clientHeight - 28 });

export function drawCharts() {
  for (const { chart, curves } of charts) chart.setData(drawn(curves()));
}

addEventListener('resize', () => {
  for (const { chart, place } of charts) chart.setSize(sizeOf(place));
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', buildCharts);

/** Shows the whole run again. */
export function showAll() {
  view = undefined;
  buildCharts();
}
