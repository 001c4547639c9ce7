import { normalPairFromBits, streamOf, threefry2x32 } from '@alex/tensor/kernels';
import type { Plan } from './options.js';
import type { View } from './views.js';

/**
 * Streams of random numbers. Each kind of augmentation has its own, so that disabling one does not change the others.
 */
const cropStream = streamOf('augment/crop');
const mirrorStream = streamOf('augment/mirror');
const colourStreams = [streamOf('augment/colour/0'), streamOf('augment/colour/1')] as const;

/** The view of one image in one epoch of training: a pure function of seed, epoch and image. */
export function drawView(plan: Plan, seed: number, epoch: number, image: number): View {
  const [forTop, forLeft] = threefry2x32(seed, cropStream, image, epoch);
  const [forMirror] = threefry2x32(seed, mirrorStream, image, epoch);
  const { height, width, cropHeight, cropWidth, padding, centre } = plan;
  return {
    top: plan.randomCrop ? below(height + 2 * padding - cropHeight + 1, forTop) - padding : centre.top,
    left: plan.randomCrop ? below(width + 2 * padding - cropWidth + 1, forLeft) - padding : centre.left,
    mirrored: plan.mirror && forMirror >= 2 ** 31,
  };
}

/**
 * The shift of red, green and blue of one image in one epoch of training, in pixel values; `given` overrides the plan's
 * strength.
 */
export function drawColourShift(
  plan: Plan,
  seed: number,
  epoch: number,
  image: number,
  given?: number,
): [number, number, number] {
  if (!plan.colour) return [0, 0, 0];
  const { standardDeviations, axes } = plan.colour;
  const strength = given ?? plan.colour.strength;
  const [first, second] = normalPairFromBits(...threefry2x32(seed, colourStreams[0], image, epoch));
  const [third] = normalPairFromBits(...threefry2x32(seed, colourStreams[1], image, epoch));
  const shift: [number, number, number] = [0, 0, 0];
  for (const [component, normal] of [first, second, third].entries()) {
    const amount = strength * normal * standardDeviations[component]!;
    for (const channel of [0, 1, 2] as const) shift[channel] += axes[component]![channel]! * amount;
  }
  return shift;
}

/** A uniform integer from 0 to `count - 1`. Of the 2^32 values, at most `count` favour one result over another. */
function below(count: number, bits: number): number {
  return Math.floor((bits * count) / 2 ** 32);
}
