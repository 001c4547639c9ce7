// The run's state and its key figures.
import { element, make } from '/elements.js';
import { history, meanOfLast, rateChanges } from '/history.js';
import { duration, megabytes, percent, short, whole } from '/numbers.js';

const stateNames = {
  training: 'training',
  evaluating: 'evaluating',
  finished: 'finished',
  stopped: 'stopped',
  away: 'the trainer is not running; waiting for it',
};

/** @param state the last reported state of the trainer */
export function drawState(state) {
  const place = element('state');
  place.dataset.state = state.state;
  const { evaluating } = state;
  place.textContent =
    state.state === 'evaluating' && evaluating
      ? `evaluating ${whole(evaluating.images)} of ${whole(evaluating.of)} images`
      : stateNames[state.state];
}

const tileValues = new Map();

/** A figure with its name and a note; created once, then updated. */
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

export function drawFigures(run, state) {
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
      last ? `since step ${whole(last.step)}, change ${changes.length}` : 'unchanged',
    );
    element('rate-note').textContent =
      changes.length === 0 ? 'not changed' : `changed ${changes.length === 1 ? 'once' : `${changes.length} times`}`;
  }
  if (memory) {
    tile(
      'adapter memory',
      megabytes(memory.liveBytes),
      `activations ${megabytes(memory.activationBytes)}, parameters ${megabytes(memory.parameterBytes)}`,
    );
  }
}
