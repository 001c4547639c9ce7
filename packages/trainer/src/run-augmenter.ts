import { type Augmenter, createInputAugmenter } from '@alex/augment';
import type { Network } from '@alex/tensor/network';
import { floatsFromBase64 } from './base64.js';
import type { RunConfig } from './config.js';

/**
 * Makes what writes a run's images to the input of its network, as its configuration says: mean, scale, crops, flips
 * and colours.
 *
 * @returns an augmenter, to be disposed before the network
 */
export function createRunAugmenter({ inputs }: Pick<Network, 'inputs'>, { images, data }: RunConfig): Augmenter {
  return createInputAugmenter(inputs, {
    source: { height: data.height, width: data.width, channels: data.channels },
    training: {
      crop: images.crop,
      mirror: images.mirror,
      ...(images.chunk !== undefined && { chunk: images.chunk }),
      ...(images.colour && { colour: images.colour }),
    },
    mean: images.meanImage === undefined ? images.mean : floatsFromBase64(images.meanImage),
    scale: images.scale,
    padding: images.padding,
  });
}
