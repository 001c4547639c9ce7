import { keepForOffline } from '../offline.js';
import { drawCurves, type Point } from './curves.js';
import { drawFilters } from './filters.js';
import type { News, Order } from './messages.js';
import { showPredictions } from './predictions.js';
import { fragmentOf, type Settings, settingsOf } from './settings.js';

const find = <Kind extends HTMLElement>(id: string) => document.getElementById(id) as Kind;
const training = find('training');
const form = find<HTMLFormElement>('settings');
const pause = find<HTMLButtonElement>('pause');
const step = find<HTMLButtonElement>('step');
const says = find('says');

/** `loading`, `running`, `paused` or `failed`. */
type State = 'loading' | 'running' | 'paused' | 'failed';

let worker: Worker | undefined;
let settings: Settings = settingsOf(location.hash);
let curves = { train: [] as Point[], validation: [] as Point[], trainError: [] as Point[], error: [] as Point[] };
let filters: (News & { readonly kind: 'filters' }) | undefined;
let isDrawn = true;

restart(false);
fillForm();
keepForOffline();

form.addEventListener('submit', (event) => {
  event.preventDefault();
  settings = formSettings();
  restart(training.dataset['state'] === 'paused');
});
form.addEventListener('change', (event) => {
  const { learningRate } = formSettings();
  // The rate can change during training; anything else makes another network.
  if ((event.target as HTMLInputElement).name === 'learningRate') order({ kind: 'learning rate', learningRate });
});
pause.addEventListener('click', () => {
  if (training.dataset['state'] === 'running') {
    order({ kind: 'pause' });
  } else {
    order({ kind: 'go on' });
    setState('running');
  }
});
step.addEventListener('click', () => order({ kind: 'step' }));
find('share').addEventListener('click', async () => {
  location.hash = fragmentOf(formSettings());
  await navigator.clipboard?.writeText(location.href).catch(() => undefined);
  says.textContent = 'The address of this page has the settings; it is copied.';
});
addEventListener('hashchange', () => {
  const given = settingsOf(location.hash);
  if (fragmentOf(given) === fragmentOf(settings)) return;
  settings = given;
  fillForm();
  restart(false);
});
addEventListener('resize', () => requestDrawing());

/** A new network, with the present settings, in a new thread. */
function restart(paused: boolean): void {
  worker?.terminate();
  curves = { train: [], validation: [], trainError: [], error: [] };
  filters = undefined;
  setState('loading');
  says.textContent = 'Compiling the network for this device …';
  Object.assign(training.dataset, { step: '0', loss: '' });
  worker = new Worker(new URL('worker.ts', import.meta.url), { type: 'module' });
  worker.addEventListener('message', ({ data }: MessageEvent<News>) => hear(data));
  worker.addEventListener('error', ({ message }) =>
    hear({ kind: 'failed', message: message || 'the page is incomplete' }),
  );
  const emoji = new URL('../', document.baseURI).href;
  order({ kind: 'start', settings, emoji, paused });
  requestDrawing();
}

function order(given: Order): void {
  worker?.postMessage(given);
}

function hear(news: News): void {
  switch (news.kind) {
    case 'adapter':
      says.textContent = `Training ${news.parameters.toLocaleString('en')} parameters on ${news.name}.`;
      break;
    case 'step': {
      const { step: at, loss, top1Error, imagesPerSecond } = news;
      if (training.dataset['state'] === 'loading') setState('running');
      curves.train.push({ step: at, value: loss });
      curves.trainError.push({ step: at, value: top1Error });
      Object.assign(training.dataset, { step: String(at), loss: String(loss) });
      find('steps').textContent = String(at);
      find('loss').textContent = loss.toFixed(3);
      find('speed').textContent = imagesPerSecond.toPrecision(3);
      requestDrawing();
      break;
    }
    case 'filters':
      filters = news;
      requestDrawing();
      break;
    case 'evaluation':
      curves.validation.push({ step: news.step, value: news.loss });
      curves.error.push({ step: news.step, value: news.top1Error });
      find('error').textContent = `${(100 * news.top1Error).toFixed(0)}%`;
      showPredictions(find('predictions'), news.predictions);
      requestDrawing();
      break;
    case 'paused':
      setState('paused');
      break;
    case 'failed':
      setState('failed');
      says.textContent = news.message;
  }
}

function setState(state: State): void {
  training.dataset['state'] = state;
  pause.textContent = state === 'paused' ? 'Continue' : 'Pause';
  pause.disabled = state === 'loading' || state === 'failed';
  step.disabled = state !== 'paused';
}

/** Draws once per frame, however many steps a frame has. */
function requestDrawing(): void {
  if (!isDrawn) return;
  isDrawn = false;
  requestAnimationFrame(() => {
    isDrawn = true;
    const [train, validation] = ['var(--train)', 'var(--validation)'].map(colourOf) as [string, string];
    const both = (one: Point[], other: Point[]) => [
      { name: 'training', colour: train, points: one },
      { name: 'validation', colour: validation, points: other },
    ];
    drawCurves(find('losses'), both(curves.train, curves.validation), (value) => value.toFixed(1));
    drawCurves(find('errors'), both(curves.trainError, curves.error), (value) => `${Math.round(100 * value)}%`);
    if (filters) drawFilters(find('filters'), filters.shape, filters.weights);
  });
}

function colourOf(variable: string): string {
  return getComputedStyle(training).getPropertyValue(variable.slice(4, -1));
}

function fillForm(): void {
  for (const [name, value] of Object.entries(settings)) {
    const field = form.elements.namedItem(name) as HTMLInputElement | HTMLSelectElement;
    if (field instanceof HTMLInputElement && field.type === 'checkbox') field.checked = value === true;
    else field.value = String(value);
  }
}

/** What the form says, in the form of an address. */
function formSettings(): Settings {
  const words = new URLSearchParams();
  for (const field of form.elements) {
    if (!(field instanceof HTMLInputElement || field instanceof HTMLSelectElement)) continue;
    words.set(
      field.name,
      field.type === 'checkbox' ? ((field as HTMLInputElement).checked ? 'yes' : 'no') : field.value,
    );
  }
  return settingsOf(words.toString());
}
