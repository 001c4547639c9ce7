import { assert, open, until } from './visitor.mjs';

/** @param given.webgpu whether the browser has it, @param given.address the page with its settings */
export default async function check({ webgpu, address }) {
  let page = await open(address);
  let training = page.document.getElementById('training');
  const click = (id) => page.document.getElementById(id).click();
  const when = (what, isReached) => until(training, what, isReached);
  if (!webgpu) {
    await when('a failure', ({ state }) => state === 'failed');
    return page.document.getElementById('says').textContent;
  }
  await when('two steps', ({ state, step }) => state === 'running' && Number(step) >= 2);
  assert(Number(training.dataset.loss) > 0, 'the loss is positive');
  click('pause');
  await when('a pause', ({ state }) => state === 'paused');
  const paused = Number(training.dataset.step);
  click('step');
  await when('one step', ({ step, state }) => Number(step) === paused + 1 && state === 'paused');
  assert(page.document.querySelectorAll('#predictions figure').length === 2, 'there is a prediction of each class');
  await new Promise((resolve) => page.requestAnimationFrame(() => page.requestAnimationFrame(resolve)));
  for (const canvas of ['filters', 'losses', 'errors']) assert(isDrawn(page, canvas), `${canvas} are drawn`);
  assert(page.document.documentElement.scrollWidth <= 390, 'a narrow screen needs no scrolling to the side');
  click('pause');
  await when('more steps', ({ state, step }) => state === 'running' && Number(step) > paused + 1);

  page.document.querySelector('[name=activation]').value = 'tanh';
  click('share');
  assert(page.location.hash.includes('activation=tanh'), 'the address says tanh');
  page.document.querySelector('#settings [type=submit]').click();
  assert(training.dataset.state === 'loading', 'another network is loaded');
  await when('the first step of another network', ({ state, step }) => state === 'running' && step === '1');

  const shared = page.location.href;
  await open('about:blank');
  page = await open(shared);
  training = page.document.getElementById('training');
  assert(page.document.querySelector('[name=activation]').value === 'tanh', 'a shared address has its settings');
  await page.navigator.serviceWorker.ready;
  const stored = await (await caches.open('alex')).keys();
  for (const file of ['train/index.html', 'classify/index.html', 'emoji.bin', 'index.html']) {
    assert(
      stored.some(({ url }) => url.split('#')[0].endsWith(`/site/${file}`)),
      `${file} is stored for a visit without a network`,
    );
  }
}

function isDrawn(page, id) {
  const canvas = page.document.getElementById(id);
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return new Set(data).size > 4;
}
