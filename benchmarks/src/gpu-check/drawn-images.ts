import type { HostTensor } from '@alex/tensor';

/*
 * Images that are the same on every machine and need no decoder: stripes whose direction and colour depend on the class, with
 * individual positions and noise.
 */

export const drawnClasses = 10;

/** Largest magnitudes: together about 1, as the small network expects. */
const strength = { stripes: 1, noise: 1 };

/** `count` images starting with number `first`, `[count, 3, size, size]`; image `n` has class `n % drawnClasses`. */
export function drawnImages(first: number, count: number, size: number): { images: HostTensor; labels: number[] } {
  const labels = Array.from({ length: count }, (_, index) => (first + index) % drawnClasses);
  const data = new Float32Array(count * 3 * size * size);
  for (const [index, label] of labels.entries()) {
    drawImage(data.subarray(index * 3 * size * size, (index + 1) * 3 * size * size), first + index, label, size);
  }
  return { images: { shape: [count, 3, size, size], data }, labels };
}

function drawImage(pixels: Float32Array, number: number, label: number, size: number): void {
  const random = generator(number);
  const angle = (Math.PI * (label % 5)) / 5;
  const [across, down] = [Math.cos(angle), Math.sin(angle)].map((share) => (2 * Math.PI * 5 * share) / size);
  const phase = 2 * Math.PI * random();
  const colour = label < 5 ? [1, 0.5, -0.5] : [-0.5, 0.5, 1];
  for (const [channel, share] of colour.entries()) {
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const stripe = Math.sin(across! * x + down! * y + phase);
        pixels[(channel * size + y) * size + x] =
          strength.stripes * share * stripe + strength.noise * (2 * random() - 1);
      }
    }
  }
}

/** Numbers from 0 to 1 from a seed: the linear congruential generator of Numerical Recipes. */
function generator(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e37_79b1) >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
