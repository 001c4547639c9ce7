// Passes the trainer's events to the parts of the page.
import { buildCharts, drawCharts, showAll } from '/curves.js';
import { element } from '/elements.js';
import { drawFigures, drawState } from '/figures.js';
import { addPoints, replaceHistory } from '/history.js';
import { showFilters, showImages, showPredictions } from '/images.js';

let run = { title: 'Training', subtitle: '', steps: 1, memory: undefined };
let state = { state: 'away' };

let drawing = false;

/** However many messages arrive, the page is drawn at most four times per second. */
function drawSoon() {
  if (drawing) return;
  drawing = true;
  setTimeout(() => {
    drawing = false;
    drawCharts();
    drawFigures(run, state);
  }, 250);
}

const handlers = {
  run(told) {
    run = told;
    element('title').textContent = run.title;
    element('subtitle').textContent = run.subtitle;
    drawFigures(run, state);
  },
  /** All metrics so far: on the first connection, and whenever the trainer restarts. */
  history(told) {
    replaceHistory(told);
    showAll();
    drawFigures(run, state);
  },
  points(told) {
    addPoints(told);
    drawSoon();
  },
  state(told) {
    state = told;
    drawState(state);
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

/** Listens as long as the page is open: to this trainer, and to one that resumes the run later. */
function listen() {
  const events = new EventSource('/events');
  for (const [name, handle] of Object.entries(handlers)) {
    events.addEventListener(name, (event) => handle(JSON.parse(event.data)));
  }
  events.addEventListener('error', () => {
    if (state.state !== 'finished' && state.state !== 'stopped') {
      state = { state: 'away' };
      drawState(state);
    }
    // Browsers reconnect automatically, but not after every kind of failure.
    if (events.readyState !== EventSource.CLOSED) return;
    setTimeout(listen, 1000);
  });
}

buildCharts();
listen();
