// Uses the page of training as a visitor does, in a frame of this page.

const frame = document.createElement('iframe');
frame.style.cssText = 'width: 390px; height: 2000px';
let page;

async function open(address) {
  frame.src = address;
  if (!frame.isConnected) document.documentElement.append(frame);
  await new Promise((resolve) => frame.addEventListener('load', resolve, { once: true }));
  page = frame.contentDocument;
}

const training = () => page.getElementById('training');
const stepOf = () => Number(training().dataset.step);
const click = (id) => page.getElementById(id).click();

/** Waits until the page is in a state; each change of its attributes is an event. */
function until(what, isReached) {
  const element = training();
  return new Promise((resolve, reject) => {
    const observer = new MutationObserver(look);
    function look() {
      const { state } = element.dataset;
      if (isReached(element.dataset)) {
        observer.disconnect();
        resolve();
      } else if (state === 'failed' && what !== 'failed') {
        observer.disconnect();
        reject(new Error(`waiting for ${what}: ${page.getElementById('says').textContent}`));
      }
    }
    observer.observe(element, { attributes: true });
    look();
  });
}

function assert(condition, what) {
  if (!condition) throw new Error(`not so: ${what}`);
}

const isDrawn = (id) => {
  const canvas = page.getElementById(id);
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return new Set(data).size > 4;
};

/** @param given.webgpu whether the browser has it, @param given.address the page with its settings */
export default async function check({ webgpu, address }) {
  await open(address);
  if (!webgpu) {
    await until('failed', ({ state }) => state === 'failed');
    return page.getElementById('says').textContent;
  }
  await until('two steps', ({ state, step }) => state === 'running' && Number(step) >= 2);
  assert(Number(training().dataset.loss) > 0, 'the loss is positive');
  click('pause');
  await until('a pause', ({ state }) => state === 'paused');
  const paused = stepOf();
  click('step');
  await until('one step', ({ step, state }) => Number(step) === paused + 1 && state === 'paused');
  assert(page.querySelectorAll('#predictions figure').length === 2, 'there is a prediction of each class');
  await new Promise((resolve) => frame.contentWindow.requestAnimationFrame(() => requestAnimationFrame(resolve)));
  for (const canvas of ['filters', 'losses', 'errors']) assert(isDrawn(canvas), `${canvas} are drawn`);
  assert(page.documentElement.scrollWidth <= 390, 'a narrow screen needs no scrolling to the side');
  click('pause');
  await until('more steps', ({ state, step }) => state === 'running' && Number(step) > paused + 1);

  page.querySelector('[name=activation]').value = 'tanh';
  click('share');
  assert(frame.contentWindow.location.hash.includes('activation=tanh'), 'the address says tanh');
  page.querySelector('#settings [type=submit]').click();
  assert(training().dataset.state === 'loading', 'another network is loaded');
  await until('the first step of another network', ({ state, step }) => state === 'running' && step === '1');

  const shared = frame.contentWindow.location.href;
  await open('about:blank');
  await open(shared);
  assert(page.querySelector('[name=activation]').value === 'tanh', 'a shared address has its settings');
  await frame.contentWindow.navigator.serviceWorker.ready;
  const stored = await (await caches.open('alex')).keys();
  for (const file of ['train/index.html', 'emoji.bin', 'index.html']) {
    assert(
      stored.some(({ url }) => url.split('#')[0].endsWith(`/site/${file}`)),
      `${file} is stored for a visit without a network`,
    );
  }
}
