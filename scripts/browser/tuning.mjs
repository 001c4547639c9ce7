// Runs in a page: tunes a network, and stores what it finds in the browser's database.
import { dense } from '@alex/layers-dense';
import { softmaxCrossEntropy } from '@alex/loss';
import { sgd } from '@alex/optim';
import { describeNetwork, openGpu } from '@alex/tensor';
import { createTuningCache } from '@alex/tensor/kernels';
import { tuneNetwork } from '@alex/tensor/network';

/** Everything that the database contains. */
async function stored() {
  const resultOf = (request) =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  const database = await resultOf(indexedDB.open('@alex/tensor'));
  const texts = database.transaction('texts').objectStore('texts');
  const [keys, values] = await Promise.all([resultOf(texts.getAllKeys()), resultOf(texts.getAll())]);
  database.close();
  return Object.fromEntries(keys.map((key, index) => [key, values[index]]));
}

async function damage(key) {
  const database = await new Promise((resolve) => {
    const request = indexedDB.open('@alex/tensor');
    request.onsuccess = () => resolve(request.result);
  });
  await new Promise((resolve) => {
    const change = database.transaction('texts', 'readwrite');
    change.objectStore('texts').put('{', key);
    change.oncomplete = resolve;
  });
  database.close();
}

export default async () => {
  const gpu = await openGpu();
  const description = describeNetwork({ name: 'tuned', input: [8, 1, 1], layers: [dense({ name: 'only', units: 8 })] });
  const compiled = { batch: 4, loss: softmaxCrossEntropy(), optimizer: sgd() };
  const problems = [];
  const cache = () => createTuningCache('tunings', { onProblem: (message) => problems.push(message) });
  const first = await tuneNetwork(description, gpu, { ...compiled, effort: 'quick', cache: cache() });
  const texts = await stored();
  // Another device knows only what the cache tells it.
  const later = await tuneNetwork(description, await openGpu(), { ...compiled, effort: 'cached', cache: cache() });
  const avoided = new Map([['a/1/', [{ choice: 'risky', reason: 'crashes' }]]]);
  await cache().avoid(gpu.description, avoided);
  const kept = await cache().loadAvoided(gpu.description);
  const [key] = Object.keys(texts);
  await damage(key);
  const { size } = await cache().load(gpu.description);
  const { name, driver } = gpu.description;
  return {
    adapter: { name, driver },
    texts,
    problems,
    tuned: first.tuned,
    tunings: [...first.tunings],
    later: { tunings: [...later.tunings], tuned: later.tuned },
    avoided: [...kept],
    afterDamage: size,
  };
};
