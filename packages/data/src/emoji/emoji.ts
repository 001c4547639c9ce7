import { ConfigError } from '@alex/tensor';
import { checkOptions, streamOf } from '@alex/tensor/kernels';
import { checkWhole } from '../checks.js';
import type { Dataset, Licence, Split } from '../dataset.js';
import { decodeImage } from '../image-file.js';
import { createSplit, defaultCacheBytes, hashOf, type ImageMemory, keepDecoded } from '../split.js';
import { type Artist, readCatalogue, svgOf, trainingArtists, validationArtist } from './artists.js';
import { orderClasses } from './classes.js';

export interface EmojiOptions {
  /** Number of classes, at least 2. Default: 24. There are 1,166. */
  classes?: number | undefined;
  /** Height and width of the images in pixels. Default: 256, as in the paper. */
  size?: number | undefined;
  /** Memory for decoded images, in bytes. Default: 1 GiB, which is 5,461 images of 256 x 256. */
  cacheBytes?: number | undefined;
}

/** The authors and licences of the images of `openEmoji`: credit them if you show the images. */
export const emojiLicences: readonly Licence[] = [...trainingArtists, validationArtist].map(
  ({ set: _, ...licence }) => licence,
);

/**
 * The data set that is part of the package: things such as a pizza or a rocket, each drawn by five artists. Four of
 * them are the training images, the fifth (Fluent Emoji Flat) is the validation set: an artist whom the network has
 * never seen. RGB images on white, rendered when they are first read and then kept (2 to 3 ms each on one core).
 *
 * `classes: N` uses the first N things in a fixed order: 24 chosen by hand, other things, then faces, signs, things
 * that are nearly the same as another, and people. Every artist draws every class, so a split has the same number of
 * images for each.
 *
 * @throws ConfigError if an option is unknown or invalid.
 */
export async function openEmoji(options: EmojiOptions = {}): Promise<Dataset> {
  checkOptions('openEmoji', options, ['classes', 'size', 'cacheBytes']);
  const { classes: wanted = 24, size = 256, cacheBytes = defaultCacheBytes } = options;
  checkWhole('classes', wanted, 2);
  checkWhole('size', size, 1, 4096);
  checkWhole('cacheBytes', cacheBytes, 0);
  const catalogue = await readCatalogue();
  const { length } = catalogue.names;
  if (wanted > length) {
    throw new ConfigError(`classes is ${wanted}: five artists draw ${length} things, give 2 to ${length}`);
  }
  const names = orderClasses(catalogue.names, catalogue.categories, streamOf).slice(0, wanted);
  const memory: ImageMemory = { bytesLeft: cacheBytes };

  /** Image `i` is class `i / artists` by artist `i % artists`. */
  function splitOf(which: string, artists: readonly Artist[]): Split {
    const images = names.flatMap((thing, label) => artists.map((artist) => ({ thing, label, artist })));
    const imageName = (i: number) => `${images[i]!.artist.set}/${images[i]!.thing}`;
    return createSplit({
      name: `emoji, ${which}`,
      height: size,
      width: size,
      channels: 3,
      labels: Uint32Array.from(images, ({ label }) => label),
      imageName,
      contentHash: async () => hashOf(images.map(({ artist, thing }) => svgOf(catalogue, artist, thing, size))),
      place: keepDecoded(memory, async (i, target) => {
        const { thing, artist } = images[i]!;
        target.set(await decodeImage(imageName(i), svgOf(catalogue, artist, thing, size), size));
      }),
    });
  }

  return {
    name: 'emoji',
    // `jack-o-lantern` is read as three words too.
    classes: names.map((name) => name.replaceAll('-', ' ')),
    channels: 3,
    height: size,
    width: size,
    train: splitOf('training', trainingArtists),
    validation: splitOf('validation', [validationArtist]),
    licences: emojiLicences,
  };
}
