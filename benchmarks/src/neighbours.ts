// Finds the nearest images in a generated index, and compares the results with brute force in float64. The index is stored in the
// file --index, so that a second run times only the search.
//
//   npm run bench:neighbours -- --index /tmp/made.index --images 200000 --features 4096 --queries 5
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { openGpu } from '@alex/tensor';
import { FeatureIndex, FeatureIndexWriter, findNearest, type Neighbour } from '@alex/trainer';

const { values } = parseArgs({
  options: {
    index: { type: 'string', default: '/tmp/alex-made.index' },
    images: { type: 'string', default: '200000' },
    features: { type: 'string', default: '4096' },
    queries: { type: 'string', default: '5' },
    adapter: { type: 'string' },
    'no-brute-force': { type: 'boolean', default: false },
  },
});
const [images, columns, queries] = [values.images, values.features, values.queries].map(Number) as [
  number,
  number,
  number,
];
const path = values.index;
const classes = 1000;

/** Values like those after a ReLU, half of them zeros; they depend only on the number. */
function add(target: Float32Array, at: number, seed: number, scale: number): void {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  for (let i = 0; i < columns; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    target[at + i]! += ((state & 0xffff) + (state >>> 16) - 65535) * scale;
  }
}

const vector = new Float32Array(columns);
/**
 * The features of an image, float32: those of its class and its own. Every thousandth image is equal, or nearly equal, to the
 * previous one.
 */
function featuresOf(image: number, target: Float32Array, at: number): void {
  const twin = image % 1000 === 999;
  const nearly = image % 2000 === 1999;
  const own = twin ? image - 1 : image;
  vector.fill(0);
  add(vector, 0, own % classes, 1e-4);
  add(vector, 0, classes + own, 5e-5);
  for (let i = 0; i < columns; i++) {
    // Less than the precision of halves.
    const factor = nearly ? 1 + 1e-6 : 1;
    target[at + i] = Math.max(0, vector[i]! * factor);
  }
}

/** Near image 998, which equals 999, and near other such images. */
const queryOf = (query: number) => {
  const own = new Float32Array(columns);
  featuresOf((998 + 1000 * query) % images, own, 0);
  if (query % 2 === 1) add(own, 0, 7_000_000 + query, 1e-6);
  return own;
};

function say(what: string, begin: { wall: number; cpu: NodeJS.CpuUsage }): void {
  const { user, system } = process.cpuUsage(begin.cpu);
  const seconds = (value: number) => `${value.toFixed(1)} s`;
  console.log(
    `${what}: ${seconds((performance.now() - begin.wall) / 1000)} by the clock, ${seconds((user + system) / 1e6)} of CPU time; ` +
      `at most ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB so far`,
  );
}
const now = () => ({ wall: performance.now(), cpu: process.cpuUsage() });

if (!existsSync(path)) {
  const begin = now();
  const writer = await FeatureIndexWriter.open(path, { rows: images, shape: [columns], identity: {} });
  const atATime = 256;
  for (let first = writer.rows; first < images; first += atATime) {
    const count = Math.min(atATime, images - first);
    const batch = new Float32Array(count * columns);
    for (let i = 0; i < count; i++) featuresOf(first + i, batch, i * columns);
    await writer.append(batch, (row) => `image ${row}`);
  }
  await writer.finish();
  await writer.close();
  say(`making ${images} x ${columns}`, begin);
}

const adapter = values.adapter ?? process.env['ALEX_ADAPTER'];
const gpu = await openGpu(adapter === undefined ? {} : { adapter });
console.log(gpu.description.name);
const index = await FeatureIndex.open(path);
const features = Float32Array.from(Array.from({ length: queries }, (_, query) => [...queryOf(query)]).flat());
let asked = 0;
const begin = now();
const found = await findNearest({
  gpu,
  index,
  features: { shape: [queries, columns], data: features },
  async exact(rows) {
    asked += rows.length;
    const exact = new Float32Array(rows.length * columns);
    for (const [i, row] of rows.entries()) featuresOf(row, exact, i * columns);
    return exact;
  },
});
say(`finding the nearest of ${queries} images, ${asked} of ${images * queries} distances asked for exactly`, begin);
await index.close();
gpu.dispose();

if (!values['no-brute-force']) {
  const begin = now();
  const nearest: Neighbour[][] = Array.from({ length: queries }, () => []);
  const own = new Float32Array(columns);
  for (let row = 0; row < images; row++) {
    featuresOf(row, own, 0);
    for (const [query, list] of nearest.entries()) {
      let sum = 0;
      for (let i = 0; i < columns; i++) sum += (own[i]! - features[query * columns + i]!) ** 2;
      const distance = Math.sqrt(sum);
      if (list.length === 6 && distance >= list[5]!.distance) continue;
      list.push({ row, distance });
      list.sort((one, other) => one.distance - other.distance || one.row - other.row);
      list.length = Math.min(6, list.length);
    }
  }
  say('brute force in float64', begin);
  const same = JSON.stringify(nearest) === JSON.stringify(found);
  console.log(same ? 'The same images at the same distances, to the last bit.' : 'They differ:');
  if (!same) console.log(JSON.stringify({ found, nearest }, undefined, 1));
  process.exitCode = same ? 0 : 1;
}
console.log(
  found.map((list) => list.map(({ row, distance }) => `${row} (${distance.toPrecision(7)})`).join(', ')).join('\n'),
);
