import { type ColourVariation, createAugmenter, imagenetColour } from '@alex/augment';
import { decodeImage } from '@alex/data';
import { type RawImage, variations } from '@alex/report';
import { ConfigError, createTensor, disposeTensor, type Gpu, readTensor } from '@alex/tensor';
import { openAdapters } from '../adapters.js';
import { measureImages, openData, sayRemarks } from '../data.js';
import { exitCode } from '../failure.js';
import type { AdapterOptions } from '../options.js';
import type { Output } from '../output.js';
import { checkPlace, writeResult } from '../write-result.js';

/** Options of `augment`. */
export interface AugmentOptions extends AdapterOptions {
  readonly to: string;
  readonly data?: string;
  readonly size: number;
  readonly crop: number;
  readonly seed: number;
}

/** Number of variations. */
const count = 16;

/** Draws a photograph next to augmented versions of it; returns the exit code. */
export async function augmentCommand(file: string, options: AugmentOptions, output: Output): Promise<number> {
  const { size, crop, to } = options;
  await checkPlace('--to', to, { endings: ['.png'], inputs: [file] });
  const data = await decodeImage(file, file, size);
  const photograph: RawImage = { data, width: size, height: size, channels: 3 };
  const colour = options.data === undefined ? imagenetColour : await colourOf(options.data, size, output);
  const gpus = await openAdapters(options.adapters);
  try {
    if (gpus.length > 1) throw new ConfigError('--adapter: only one adapter is supported here; name one');
    const varied = await vary(gpus[0]!, photograph, { crop, seed: options.seed, ...(colour && { colour }) });
    await writeResult(to, await variations(photograph, varied));
  } finally {
    for (const gpu of gpus) gpu.dispose();
  }
  output.result({ image: file, to, variations: count });
  output.line(`${to} shows ${file} at ${size} x ${size} and ${count} augmented crops of ${crop} x ${crop}.`);
  return exitCode.success;
}

async function colourOf(data: string, size: number, output: Output): Promise<ColourVariation | undefined> {
  const dataset = await openData(data, { usualSize: size }, { output });
  sayRemarks([dataset], output);
  return (await measureImages(dataset, { colourStrength: 0.1 })).colour;
}

/** An image as augmented for training, with the same kernel on the adapter. */
async function vary(
  gpu: Gpu,
  { data, width, height, channels }: RawImage,
  { crop, seed, colour }: { readonly crop: number; readonly seed: number; readonly colour?: ColourVariation },
): Promise<RawImage[]> {
  const input = createTensor(gpu, 'crops', [count, channels, crop, crop]);
  try {
    const augmenter = createAugmenter(gpu, {
      output: input,
      source: { height, width, channels },
      training: { crop: 'random', mirror: true, ...(colour && { colour }) },
      // Nothing is subtracted, because users want to see the image itself.
      mean: [0, 0, 0],
    });
    try {
      const pixels = new Uint8Array(count * data.length);
      for (let i = 0; i < count; i++) pixels.set(data, i * data.length);
      const images = Uint32Array.from({ length: count }, (_, i) => i);
      await augmenter.run({ pixels, images, training: true, seed, epoch: 0 });
    } finally {
      augmenter.dispose();
    }
    const values = await readTensor(gpu, input);
    return Array.from({ length: count }, (_, image) => {
      // Converted from `[C, H, W, N]`, and clipped to the range between black and white.
      const seen = Uint8ClampedArray.from({ length: crop * crop * channels }, (_, at) => {
        const [pixel, channel] = [Math.floor(at / channels), at % channels];
        return values[(channel * crop * crop + pixel) * count + image]!;
      });
      return { data: new Uint8Array(seen.buffer), width: crop, height: crop, channels };
    });
  } finally {
    disposeTensor(gpu, input);
  }
}
