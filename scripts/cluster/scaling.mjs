/**
 * Works the cost model of several machines out: how long a step of the paper's network takes on 1 to 256 cards that share its images, for several networks.
 *
 *   node --conditions=@alex/source --import tsx scripts/cluster/scaling.mjs [SECONDS] [IMAGES] [MICRO_BATCHES]
 *
 * SECONDS is the time that IMAGES take on one card (default: 0.0120 and 128, measured on an NVIDIA H200 in float32). With
 * MICRO_BATCHES (default: 1), each card computes that many times IMAGES per step; gradients travel once, during the last.
 */
import { alexnet } from '@alex/model-alexnet';
import { predictAlone, predictSteps } from '@alex/multi-gpu';

const seconds = Number(process.argv[2] ?? 0.012);
const images = Number(process.argv[3] ?? 128);
const microBatches = Number(process.argv[4] ?? 1);
const description = alexnet();
/** The rate at which the model's products take as long as the measured step. */
const multiplyAddsPerSecond = predictAlone(description, images, 1) / seconds;
const networks = [10, 25, 100];
const cards = [1, 2, 4, 8, 16, 32, 64, 128, 256];

const alone = predictAlone(description, images, multiplyAddsPerSecond);

/** A ring, or slices that each rank adds up, moves 2 (N - 1) / N of the gradients into and out of every card. */
function secondsOf(count, gigabits) {
  if (count === 1) return microBatches * alone;
  const bytesPerSecond = (gigabits * 1e9) / 8;
  const rates = {
    multiplyAddsPerSecond: Array.from({ length: count }, () => multiplyAddsPerSecond),
    // The model of several adapters counts the bytes that each sends to all others, (N - 1) times the gradients.
    exchangeBytesPerSecond: (bytesPerSecond * count) / 2,
    exchangeSeconds: 0,
  };
  const steps = predictSteps(description, { batch: images * count, rates });
  return (microBatches - 1) * alone + steps.find(({ strategy }) => strategy === 'data').seconds;
}

console.log(`| cards | ${networks.map((gigabits) => `${gigabits} Gbit/s: step, efficiency`).join(' | ')} |`);
console.log(`|---|${networks.map(() => '---|').join('')}`);
for (const count of cards) {
  const cells = networks.map((gigabits) => {
    const step = secondsOf(count, gigabits);
    return `${(1000 * step).toFixed(1)} ms, ${Math.round((100 * microBatches * alone) / step)}%`;
  });
  console.log(`| ${count} | ${cells.join(' | ')} |`);
}
