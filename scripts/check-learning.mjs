// Fails unless the metrics of a run show that it learnt: the loss fell by half, and the error on images by an unseen
// artist is better than chance.
import { readFileSync } from 'node:fs';

const [file] = process.argv.slice(2);
if (!file) {
  console.error('usage: node scripts/check-learning.mjs RUN/metrics.jsonl');
  process.exit(2);
}
const lines = readFileSync(file, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));
const training = lines.filter((line) => line.split === 'train').map((line) => line.loss);
const validation = lines.filter((line) => line.split === 'val');
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const tenth = Math.max(1, Math.floor(training.length / 10));
const first = mean(training.slice(0, tenth));
const last = mean(training.slice(-tenth));
const error = validation.at(-1)?.top1Error;
console.log(`training loss ${first.toFixed(3)} -> ${last.toFixed(3)}, validation top-1 error ${error}`);
if (!(training.length > 10 && last < first / 2 && error < 0.75)) {
  console.error('the demo did not learn');
  process.exit(1);
}
