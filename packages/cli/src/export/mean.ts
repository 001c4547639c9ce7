import type { HostTensor } from '@alex/tensor';
import { floatsFromBase64, type RunConfig } from '@alex/trainer';

/** The mean image that a network's images have subtracted, `[C, H, W]`, if it is an image. */
export function meanImageOf({ images, data }: RunConfig): HostTensor | undefined {
  if (images.meanImage === undefined) return undefined;
  return { shape: [data.channels, data.height, data.width], data: floatsFromBase64(images.meanImage) };
}

/** What a network's images have subtracted, one value per channel: of a mean image, its mean. */
export function meanColour(config: RunConfig): number[] {
  const image = meanImageOf(config);
  if (!image) return [...config.images.mean];
  const [channels = 0, height = 0, width = 0] = image.shape;
  const plane = height * width;
  return Array.from({ length: channels }, (_, channel) => {
    const values = image.data.subarray(channel * plane, (channel + 1) * plane);
    return values.reduce((sum, value) => sum + value, 0) / plane;
  });
}
