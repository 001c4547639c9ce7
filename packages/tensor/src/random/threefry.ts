/**
 * Threefry-2x32 with 20 rounds: counter-based random numbers (Salmon et al., "Parallel random numbers: as easy as 1, 2,
 * 3", SC 2011). A value depends only on key and counter, so it is the same on any adapter, in any order, after any
 * resume. The project's convention: the key is (seed, stream), the counter is (index, step).
 */

const rotations = [13, 15, 26, 6, 17, 29, 16, 24] as const;
const parity = 0x1bd11bda;
const rounds = 20;
/** Rotations of the rounds before an odd injection of the key, and before an even one. */
const [odd, even] = [rotations.slice(0, 4), rotations.slice(4)];

/** Two random 32-bit words for a key of two words and a counter of two words. */
export function threefry2x32(key0: number, key1: number, counter0: number, counter1: number): [number, number] {
  threefryInto(two, key0, key1, counter0, counter1);
  return [two[0]!, two[1]!];
}

const two = new Uint32Array(2);

/** The same, written to the first two elements of `words`: for millions of samples without an array for each. */
export function threefryInto(words: Uint32Array, key0: number, key1: number, counter0: number, counter1: number): void {
  let a = key0 | 0;
  let b = key1 | 0;
  let c = parity ^ a ^ b;
  let x = (counter0 + a) | 0;
  let y = (counter1 + b) | 0;
  for (let injection = 1; injection <= rounds / 4; injection++) {
    const four = injection % 2 === 1 ? odd : even;
    for (let round = 0; round < 4; round++) {
      const rotation = four[round]!;
      x = (x + y) | 0;
      y = ((y << rotation) | (y >>> (32 - rotation))) ^ x;
    }
    x = (x + b) | 0;
    y = (y + c + injection) | 0;
    const first = a;
    a = b;
    b = c;
    c = first;
  }
  words[0] = x;
  words[1] = y;
}

/** The same function in WGSL, unrolled: `threefry2x32(key: vec2u, counter: vec2u) -> vec2u`. */
export const threefryWgsl = `
fn threefry2x32(key: vec2u, counter: vec2u) -> vec2u {
  let keys = vec3u(key.x, key.y, ${parity}u ^ key.x ^ key.y);
  var x = counter.x + keys[0];
  var y = counter.y + keys[1];
${Array.from({ length: rounds }, (_, round) => {
  const rotation = rotations[round % 8]!;
  const mix = `  x += y; y = ((y << ${rotation}u) | (y >> ${32 - rotation}u)) ^ x;`;
  if (round % 4 !== 3) return mix;
  const injection = (round + 1) / 4;
  return `${mix} x += keys[${injection % 3}]; y += keys[${(injection + 1) % 3}] + ${injection}u;`;
}).join('\n')}
  return vec2u(x, y);
}
`;

/** Names a stream of random numbers: the 32-bit FNV-1a hash of a text such as a layer's name. */
export function streamOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** A 32-bit word as a number in [0, 1), from its upper 24 bits: exact in float32, and the same on the adapter. */
export function uniformFromBits(bits: number): number {
  return (bits >>> 8) * 2 ** -24;
}

/**
 * Two independent samples of N(0, 1) from two random words, by the Box-Muller transform in float64. The first word is
 * mapped to (0, 1] so that its logarithm is finite.
 */
export function normalPairFromBits(bits0: number, bits1: number): [number, number] {
  const radius = Math.sqrt(-2 * Math.log((bits0 + 1) * 2 ** -32));
  const angle = 2 * Math.PI * bits1 * 2 ** -32;
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}
