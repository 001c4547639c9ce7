import type { Plan } from './options.js';
import type { View } from './views.js';

const mirroredBit = 1 << 30;
const presentBit = 1 << 31;

/** A view in the kernel's encoding: 15 bits each for top and left (counted from the border), then two flags. */
export function packView({ top, left, mirrored }: View, padding: number): number {
  return (presentBit | (mirrored ? mirroredBit : 0) | ((top + padding) << 15) | (left + padding)) >>> 0;
}

/**
 * Neighbouring pixels of a row that one invocation computes, so that each cache line of an image's row is used
 * completely before another image evicts it.
 */
const run = 16;

/** How many invocations the kernel needs. */
export function augmentInvocations({ batch, cropHeight, cropWidth }: Plan): number {
  return cropHeight * Math.ceil(cropWidth / run) * batch;
}

/**
 * The body of the only kernel, for `recordPerElement` over `augmentInvocations`.
 *
 * One invocation computes every channel of a run of pixels of one image. Lanes run over images: they write adjacent
 * values, and gather source bytes one image apart. A lane loads its image's view and shift once, and one or two words
 * per pixel. The position in the crop is uniform over the lanes of one run, and so is the mean of a channel or of a
 * centred mean image.
 */
export function augmentKernel(plan: Plan): string {
  const { batch, height, width, channels, cropHeight, cropWidth, padding, centre } = plan;
  const words = Math.ceil((batch * height * width * channels) / 4);
  const runs = Math.ceil(cropWidth / run);
  const channelsInOrder = Array.from({ length: channels }, (_, channel) => channel);
  const subtracted = (channel: number): string => {
    if (plan.meanAt === 'channel') return floatLiteral(plan.mean[channel]!);
    if (plan.meanAt === 'crop') return `load_mean(${channel * height * width}u + pixel)`;
    return `load_mean(${(channel * height + centre.top) * width + centre.left}u + y * ${width}u + x)`;
  };
  const scale = plan.scale === 1 ? '' : ` * ${floatLiteral(1 / plan.scale)}`;
  const shifts = channelsInOrder.map((channel) => `let shift${channel} = load_shift(${channel * batch}u + n);`);
  const stores = channelsInOrder.map((channel) => {
    const shift = plan.colour ? ` + shift${channel}` : '';
    const value = `(f32(extractBits(bytes, ${8 * channel}u, 8u)) - ${subtracted(channel)}${shift})${scale}`;
    return `store_output(${channel * cropHeight * cropWidth * batch}u + at, select(0.0, ${value}, inside));`;
  });
  return `
  let n = i % ${batch}u;
  let first = (i / ${batch}u) % ${runs}u * ${run}u;
  let y = i / ${batch * runs}u;
  let view = load_views(n);
  let present = (view & ${presentBit >>> 0}u) != 0u;
  let mirrored = (view & ${mirroredBit}u) != 0u;
  // Unsigned: a pixel above or left of the image wraps to a huge number, which is outside as well.
  let row = y + extractBits(view, 15u, 15u) - ${padding}u;
  let left = extractBits(view, 0u, 15u) - ${padding}u;
  ${plan.colour ? shifts.join('\n  ') : ''}
  for (var x = first; x < min(first + ${run}u, ${cropWidth}u); x++) {
    let column = left + select(x, ${cropWidth - 1}u - x, mirrored);
    let inside = present && row < ${height}u && column < ${width}u;
    let pixel = select(0u, row * ${width}u + column, inside);
    let start = (n * ${height * width}u + pixel) * ${channels}u;
    ${fetchBytes(channels, words)}
    let at = (y * ${cropWidth}u + x) * ${batch}u + n;
    ${stores.join('\n    ')}
  }`;
}

/** Declares `bytes`: the channels of the pixel that starts at byte `start`, the first one in the lowest eight bits. */
function fetchBytes(channels: number, words: number): string {
  const shift = '(8u * (start % 4u))';
  const lower = `load_pixels(start / 4u) >> ${shift}`;
  // Pixels of 1, 2 and 4 bytes never cross the end of a word.
  if (channels !== 3) return `let bytes = ${lower};`;
  // Shifted in two steps, because WGSL takes the shift amount modulo 32: a shift by 32 would be a shift by 0.
  const upper = `(load_pixels(min(start / 4u + 1u, ${words - 1}u)) << 1u) << (31u - ${shift})`;
  return `let bytes = (${lower}) | (${upper});`;
}

/** A float32 literal; in parentheses, because it may be negative. */
function floatLiteral(value: number): string {
  return `(${Math.fround(value)}f)`;
}
