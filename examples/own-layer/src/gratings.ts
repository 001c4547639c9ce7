import type { HostTensor } from '@alex/tensor';

/**
 * Stripes in four directions, at random phases, with noise: small, generated on the fly, and impossible to distinguish
 * pixel by pixel.
 */
export const classes = ['-', '/', '|', '\\'];
export const side = 12;

/** A generator of numbers in [0, 1) that depend only on the seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `[count, 1, 12, 12]` images and their classes, the same number of each. */
export function gratings(count: number, seed: number): { images: HostTensor; labels: number[] } {
  const random = randomNumbers(seed);
  const data = new Float32Array(count * side * side);
  const labels = Array.from({ length: count }, (_, image) => image % classes.length);
  for (const [image, label] of labels.entries()) {
    const angle = (label * Math.PI) / classes.length;
    const [phase, frequency] = [2 * Math.PI * random(), 0.9 + 0.4 * random()];
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const wave = Math.sin(frequency * (y * Math.cos(angle) + x * Math.sin(angle)) + phase);
        data[(image * side + y) * side + x] = wave + random() - 0.5;
      }
    }
  }
  return { images: { shape: [count, 1, side, side], data }, labels };
}
