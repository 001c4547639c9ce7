import { loadEmoji } from './emoji.js';
import { Learner } from './learner.js';
import type { News, Order } from './messages.js';

// Trains in a thread of its own, so that the page answers at once whatever a step takes.

/** Steps between two drawings of the filters, and between two evaluations. */
const [filtersEvery, evaluateEvery] = [5, 25];

let learner: Learner | undefined;
let isPaused = false;
let isStepping = false;

const tell = (news: News) => postMessage(news);

addEventListener('message', ({ data: order }: MessageEvent<Order>) => {
  switch (order.kind) {
    case 'start':
      isPaused = order.paused;
      void start(order);
      break;
    case 'pause':
      isPaused = true;
      break;
    case 'go on':
      isPaused = false;
      void train();
      break;
    case 'step':
      void train(1);
      break;
    case 'learning rate':
      if (learner) learner.learningRate = order.learningRate;
  }
});

async function start({ settings, emoji }: Order & { readonly kind: 'start' }): Promise<void> {
  await orFail(async () => {
    learner = await Learner.open(await loadEmoji(emoji, settings.classes), settings);
    const { gpu, network } = learner;
    tell({ kind: 'adapter', name: gpu.description.name, parameters: network.description.parameterCount });
    await showFilters(learner);
    await evaluate(learner);
  });
  await train();
}

/** Takes steps until it is paused, or so many. */
async function train(count = Infinity): Promise<void> {
  if (!learner || isStepping) return;
  const own = learner;
  isStepping = true;
  await orFail(async () => {
    for (let taken = 0; taken < count && (!isPaused || count < Infinity); taken++) {
      const begun = performance.now();
      const { loss, top1Error } = await own.step();
      const { stepCount: step, batch } = own.network;
      const imagesPerSecond = batch / ((performance.now() - begun) / 1000);
      tell({ kind: 'step', step, loss, top1Error, imagesPerSecond });
      if (step % filtersEvery === 0) await showFilters(own);
      if (step % evaluateEvery === 0) await evaluate(own);
    }
  });
  isStepping = false;
  // An order may have come meanwhile.
  if (!isPaused && count < Infinity) await train();
  else if (isPaused) tell({ kind: 'paused' });
}

async function showFilters(own: Learner): Promise<void> {
  tell({ kind: 'filters', ...(await own.filters()) });
}

async function evaluate(own: Learner): Promise<void> {
  tell({ kind: 'evaluation', step: own.network.stepCount, ...(await own.evaluate()) });
}

/** Tells the page what went wrong: no adapter, one that was lost, too little memory. */
async function orFail(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    learner = undefined;
    tell({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
  }
}
