import uPlot from '/uplot.js';

/** What the page knows of the run: columns by split, each with an entry a line of metrics. */
const names = ['step', 'epoch', 'loss', 'top1Error', 'top5Error', 'learningRate', 'imagesPerSecond'];
const emptyColumns = () => Object.fromEntries(names.map((name) => [name, []]));
let history = { train: emptyColumns(), val: emptyColumns() };
let run = { title: 'Training', subtitle: '', steps: 1, memory: undefined };
let state = { state: 'away' };

const element = (id) => document.getElementById(id);

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/* ---------------------------------------------------------------- numbers as people read them */

const percent = (share) => `${(100 * share).toFixed(1)}%`;
const short = (value) => (value === 0 ? '0' : String(Number(value.toPrecision(3))));
const whole = (value) => Math.round(value).toLocaleString('en-US');
const formatStep = (step) => (step < 10_000 ? String(step) : `${Number((step / 1000).toPrecision(4))}k`);
const megabytes = (bytes) =>
  `${(bytes / 1e6).toLocaleString('en-US', { maximumFractionDigits: bytes < 1e8 ? 1 : 0 })} MB`;

function duration(seconds) {
  const all = Math.max(0, Math.round(seconds));
  const [days, hours, minutes] = [Math.floor(all / 86400), Math.floor(all / 3600) % 24, Math.floor(all / 60) % 60];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${all % 60} s` : `${all} s`;
}

function meanOfLast(values, count) {
  const last = values.slice(-count);
  return last.reduce((sum, value) => sum + value, 0) / last.length;
}

/** An exponential mean over about a fiftieth of the points, corrected for having begun from nothing. */
function runningMean(values) {
  const keep = values.length > 60 ? 1 - 50 / values.length : 0;
  let sum = 0;
  let weight = 0;
  return values.map((value) => {
    sum = keep * sum + value;
    weight = keep * weight + 1;
    return sum / weight;
  });
}

/* ---------------------------------------------------------------- curves */

/** The part of the run that is looked at; all of it where there is none. */
let view;
let charts = [];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** What a curve shows at a line of training: the line's own value, or a mean of those before. */
const own = (column) => (i) => history.train[column][i];

function mean(column) {
  const means = runningMean(history.train[column]);
  return (i) => means[i];
}

/** What a curve of validation shows there: mostly nothing. */
function held(column) {
  const values = new Map(validationPlaces().map((place, i) => [place, history.val[column][i]]));
  return (i) => values.get(i) ?? null;
}

/** Places of the validation lines among those of training, which have a line for every step. */
function validationPlaces() {
  const { step } = history.train;
  return history.val.step.map((wanted) => {
    const place = placeOf(step, wanted);
    return step[place] === wanted ? place : -1;
  });
}

/** The first place of a value that is not below. */
function placeOf(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A chart has fewer pixels side by side than twice this. */
const mostStretches = 600;

/**
 * The lines to draw: those in view, or of very many as many as can be told apart. Of each short stretch that is where the
 * first curve is lowest and highest, and every validation.
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

/** What uPlot draws: steps, and the values of each curve there. */
function drawn(curves) {
  const places = placesInView(curves[0]);
  return [places.map((i) => history.train.step[i]), ...curves.map((curve) => places.map(curve))];
}

/** The first step at each new learning rate. */
function rateChanges() {
  const { step, learningRate } = history.train;
  const changes = [];
  for (let i = 1; i < step.length; i++) {
    if (learningRate[i] !== learningRate[i - 1]) changes.push({ step: step[i], rate: learningRate[i] });
  }
  return changes;
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
      // A rate of 0 has no place on a logarithmic scale.
      curves: () => [(i) => history.train.learningRate[i] || null],
      format: short,
      logarithmic: true,
    },
  ];
}

/** Draws a dashed line, and the new rate, wherever the learning rate changed. */
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
    // Only where it hides no other, and does not leave the image.
    if (x < free || x + width + 4 * ratio > bbox.left + bbox.width) continue;
    ctx.fillText(text, x + 4 * ratio, bbox.top + 11 * ratio);
    free = x + width + 8 * ratio;
  }
  ctx.restore();
}

function buildCharts() {
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

/** The legend below a chart takes some of its place. */
const sizeOf = (place) => ({ width: Math.max(200, place.clientWidth), height: place.clientHeight - 28 });

function drawCharts() {
  for (const { chart, curves } of charts) chart.setData(drawn(curves()));
}

addEventListener('resize', () => {
  for (const { chart, place } of charts) chart.setSize(sizeOf(place));
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', buildCharts);

/* ---------------------------------------------------------------- figures */

const stateNames = {
  training: 'training',
  evaluating: 'evaluating',
  finished: 'finished',
  stopped: 'stopped',
  away: 'the trainer is away; waiting for it',
};

function drawState() {
  const place = element('state');
  place.dataset.state = state.state;
  const { evaluating } = state;
  place.textContent =
    state.state === 'evaluating' && evaluating
      ? `evaluating ${whole(evaluating.images)} of ${whole(evaluating.of)} images`
      : stateNames[state.state];
}

const tileValues = new Map();

/** A figure with its name and a note; made once, changed in its place. */
function tile(name, value, note) {
  let parts = tileValues.get(name);
  if (!parts) {
    const box = make('div');
    parts = { value: make('dd'), note: make('dd', 'note') };
    box.append(make('dt', '', name), parts.value, parts.note);
    element('tiles').append(box);
    tileValues.set(name, parts);
  }
  if (parts.value.textContent !== value) parts.value.textContent = value;
  if (parts.note.textContent !== note) parts.note.textContent = note;
}

function drawFigures() {
  const { train, val } = history;
  const step = train.step.at(-1) ?? 0;
  const { steps, memory } = run;
  element('progress').value = step / steps;
  const speed = train.step.length > 0 ? meanOfLast(train.imagesPerSecond, 20) : 0;
  const left =
    speed > 0 && state.state !== 'finished' ? ` · ${duration(((steps - step) * run.batch) / speed)} left` : '';
  element('progress-text').textContent = `step ${whole(step)} of ${whole(steps)}${step < steps ? left : ''}`;
  document.title = `${Math.floor((100 * step) / steps)}% ${run.title}`;
  if (train.step.length > 0) {
    tile(
      'training loss',
      meanOfLast(train.loss, 20).toFixed(3),
      `nats, mean of ${Math.min(20, train.step.length)} steps`,
    );
  }
  if (val.step.length > 0) {
    const best = val.top1Error.indexOf(Math.min(...val.top1Error));
    tile(
      'validation top-1 error',
      percent(val.top1Error.at(-1)),
      `best ${percent(val.top1Error[best])}, step ${whole(val.step[best])}`,
    );
    tile('validation top-5 error', percent(val.top5Error.at(-1)), `loss ${short(val.loss.at(-1))}`);
  }
  if (train.step.length > 0) {
    tile('images per second', short(speed), `epoch ${train.epoch.at(-1).toFixed(2)}`);
    const changes = rateChanges();
    const last = changes.at(-1);
    tile(
      'learning rate',
      short(train.learningRate.at(-1)),
      last ? `since step ${whole(last.step)}, change ${changes.length}` : 'as at the start',
    );
    element('rate-note').textContent =
      changes.length === 0 ? 'not changed yet' : `changed ${changes.length === 1 ? 'once' : `${changes.length} times`}`;
  }
  if (memory) {
    tile(
      'adapter memory',
      megabytes(memory.liveBytes),
      `activations ${megabytes(memory.activationBytes)}, parameters ${megabytes(memory.parameterBytes)}`,
    );
  }
}

/* ---------------------------------------------------------------- images */

let cards = [];

function showImages(images) {
  element('predictions-section').hidden = images.length === 0;
  cards = images.map(({ url, label, name }) => {
    const card = make('li');
    const image = make('img');
    image.src = url;
    image.alt = name;
    const guesses = make('ol');
    card.append(image, make('h3', '', label), guesses);
    return { card, label, guesses };
  });
  element('predictions').replaceChildren(...cards.map(({ card }) => card));
}

function showPredictions({ step, predictions }) {
  element('predictions-step').textContent = `step ${whole(step)}`;
  predictions.forEach((guesses, i) => {
    const card = cards[i];
    if (!card) return;
    while (card.guesses.children.length > guesses.length) card.guesses.lastChild.remove();
    guesses.forEach(({ label, probability }, place) => {
      let guess = card.guesses.children[place];
      if (!guess) {
        guess = make('li', 'guess');
        guess.append(make('span', 'bar'), make('span', 'name'), make('span', 'share'));
        card.guesses.append(guess);
      }
      guess.classList.toggle('right', label === card.label);
      const [bar, name, share] = guess.children;
      bar.style.width = `${100 * probability}%`;
      name.textContent = label;
      share.textContent = probability > 0 && probability < 0.01 ? '< 1%' : `${Math.round(100 * probability)}%`;
    });
  });
}

function showFilters({ step, url }) {
  element('filters-section').hidden = false;
  element('filters-step').textContent = `step ${whole(step)}`;
  element('filters').src = url;
}

/* ---------------------------------------------------------------- what the trainer tells */

let drawing = false;

/** However many messages come, the page is drawn four times a second at most. */
function drawSoon() {
  if (drawing) return;
  drawing = true;
  setTimeout(() => {
    drawing = false;
    drawCharts();
    drawFigures();
  }, 250);
}

const handlers = {
  run(told) {
    run = told;
    element('title').textContent = run.title;
    element('subtitle').textContent = run.subtitle;
    drawFigures();
  },
  /** Everything so far: on the first connection, and whenever the trainer began again. */
  history(told) {
    history = told;
    view = undefined;
    buildCharts();
    drawFigures();
  },
  points(told) {
    for (const split of ['train', 'val']) {
      for (const name of names) for (const value of told[split]?.[name] ?? []) history[split][name].push(value);
    }
    drawSoon();
  },
  state(told) {
    state = told;
    drawState();
    drawSoon();
  },
  memory(told) {
    run.memory = told;
    drawSoon();
  },
  images: showImages,
  predictions: showPredictions,
  filters: showFilters,
};

/** Listens for as long as the page is open: to this trainer, and to the one that goes on with the run. */
function listen() {
  const events = new EventSource('/events');
  for (const [name, handle] of Object.entries(handlers)) {
    events.addEventListener(name, (event) => handle(JSON.parse(event.data)));
  }
  events.addEventListener('error', () => {
    if (state.state !== 'finished' && state.state !== 'stopped') {
      state = { state: 'away' };
      drawState();
    }
    // Browsers try again by themselves, but not after every kind of failure.
    if (events.readyState !== EventSource.CLOSED) return;
    setTimeout(listen, 1000);
  });
}

buildCharts();
listen();
