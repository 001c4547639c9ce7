import { keepForOffline } from '../offline.js';
import { Classifier } from './classifier.js';
import { filesAt, filesGiven, type Read, readModel } from './model.js';

const find = <Kind extends HTMLElement>(id: string) => document.getElementById(id) as Kind;
const page = find('classification');
const says = find('says');
const address = find<HTMLInputElement>('address');

let classifier: Classifier | undefined;

const fromAddress = new URLSearchParams(location.hash.slice(1)).get('model');
if (fromAddress) {
  address.value = fromAddress;
  void openAt(fromAddress);
}
keepForOffline();

find<HTMLFormElement>('by-address').addEventListener('submit', (event) => {
  event.preventDefault();
  void openAt(address.value);
});
find<HTMLInputElement>('files').addEventListener(
  'change',
  ({ target }) => void take((target as HTMLInputElement).files),
);
addEventListener('dragover', (event) => event.preventDefault());
addEventListener('drop', (event) => {
  event.preventDefault();
  void take(event.dataTransfer?.files);
});

/** Files of a model, or images. */
async function take(list: FileList | null | undefined): Promise<void> {
  const files = [...(list ?? [])];
  const model = files.find(({ name }) => name.endsWith('.json'));
  if (model) await open(model.name, filesGiven(files));
  for (const file of files.filter(({ type }) => type.startsWith('image/'))) await show(file);
}

async function openAt(given: string): Promise<void> {
  const { href } = new URL(given, document.baseURI);
  await open(href, filesAt(href));
}

async function open(name: string, read: Read): Promise<void> {
  await orSay(async () => {
    setState('loading');
    says.textContent = `Loading ${name} …`;
    const model = await readModel(name, read);
    classifier?.dispose();
    classifier = undefined;
    classifier = await Classifier.open(model);
    setState('ready');
    says.textContent = `${model.model.variant}, which knows ${model.classes.length} classes, on ${classifier.gpu.description.name}. Now give it images.`;
  });
}

async function show(file: File): Promise<void> {
  await orSay(async () => {
    if (!classifier) throw new Error('Give a model first, then images.');
    const guesses = await classifier.classify(file);
    const figure = document.createElement('figure');
    const image = document.createElement('img');
    image.src = URL.createObjectURL(file);
    image.alt = file.name;
    image.addEventListener('load', () => URL.revokeObjectURL(image.src), { once: true });
    const caption = document.createElement('figcaption');
    caption.textContent = file.name;
    const list = document.createElement('ol');
    for (const { label, probability } of guesses) {
      const item = document.createElement('li');
      item.textContent = `${label} ${(100 * probability).toFixed(1)}%`;
      item.style.setProperty('--share', `${100 * probability}%`);
      list.append(item);
    }
    figure.append(image, caption, list);
    find('images').prepend(figure);
    page.dataset['images'] = String(Number(page.dataset['images']) + 1);
  });
}

/** What went wrong is said, and nothing else happens. */
async function orSay(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    setState(classifier ? 'ready' : 'failed');
    says.textContent = error instanceof Error ? error.message : String(error);
  }
}

function setState(state: 'loading' | 'ready' | 'failed'): void {
  page.dataset['state'] = state;
}
