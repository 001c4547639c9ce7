import { ConfigError, streamOf } from '@alex/tensor';
import { checkWhole } from '../checks.js';
import type { Dataset, Licence, Split } from '../dataset.js';
import { decodePicture } from '../picture-file.js';
import { createSplit, defaultCacheBytes, keepDecoded, type PictureMemory } from '../split.js';
import {
  type Artist,
  type Drawings,
  readCategories,
  readDrawings,
  svgOf,
  trainingArtists,
  validationArtist,
} from './artists.js';
import { orderClasses } from './classes.js';

export interface EmojiOptions {
  /** How many things to tell apart, at least 2; 24 unless said. There are 1,166. */
  classes?: number | undefined;
  /** Height and width of the pictures in pixels; 256 unless said, as in the paper. */
  size?: number | undefined;
  /** Bytes of decoded pictures to keep in memory; 1 GiB unless said, which is 5,461 pictures of 256 x 256. */
  cacheBytes?: number | undefined;
}

/** Who drew the pictures of `openEmoji`, and on what terms: name them where you show the pictures. */
export const emojiLicences: readonly Licence[] = [...trainingArtists, validationArtist].map(
  ({ set: _, ...licence }) => licence,
);

interface Hand {
  artist: Artist;
  drawings: Drawings;
}

/**
 * The data that come with the package: things such as a pizza or a rocket, each drawn by five artists. Four of them are
 * the training pictures, the fifth (Fluent Emoji Flat) the validation: a hand never seen. RGB pictures on white, drawn
 * when they are first read and kept from then on (2 to 3 ms each on one core).
 *
 * `classes: N` takes the first N things of a fixed order: 24 chosen by eye, other things, then faces, signs, things
 * that nearly repeat another, and persons. Every artist draws every class, so a split has as many pictures of each.
 *
 * @throws ConfigError where `classes` or `size` is not possible.
 */
export async function openEmoji(options: EmojiOptions = {}): Promise<Dataset> {
  const { classes: wanted = 24, size = 256, cacheBytes = defaultCacheBytes } = options;
  checkWhole('classes', wanted, 2);
  checkWhole('size', size, 1, 4096);
  checkWhole('cacheBytes', cacheBytes, 0);
  const hands: Hand[] = await Promise.all(
    [...trainingArtists, validationArtist].map(async (artist) => ({ artist, drawings: await readDrawings(artist) })),
  );
  const [first, ...others] = hands;
  const common = Object.keys(first!.drawings.icons).filter((name) => others.every((hand) => hand.drawings.icons[name]));
  if (wanted > common.length) {
    throw new ConfigError(
      `classes is ${wanted}: five artists draw ${common.length} things, give 2 to ${common.length}`,
    );
  }
  const names = orderClasses(common, await readCategories(), streamOf).slice(0, wanted);
  const memory: PictureMemory = { bytesLeft: cacheBytes };
  return {
    name: 'emoji',
    // `jack-o-lantern` is read as three words too.
    classes: names.map((name) => name.replaceAll('-', ' ')),
    channels: 3,
    height: size,
    width: size,
    train: splitOf('emoji, training', names, hands.slice(0, -1), size, memory),
    validation: splitOf('emoji, validation', names, hands.slice(-1), size, memory),
    licences: emojiLicences,
  };
}

/** Picture `i` is class `i / hands` in the hand `i % hands`. */
function splitOf(name: string, classes: readonly string[], hands: Hand[], size: number, memory: PictureMemory): Split {
  // Only the drawings that are used stay in memory: the sets together are 60 MB of text.
  const pictures = classes.flatMap((thing, label) =>
    hands.map(({ artist, drawings }) => ({ label, name: `${artist.set}/${thing}`, svg: svgOf(drawings, thing, size) })),
  );
  return createSplit({
    name,
    height: size,
    width: size,
    channels: 3,
    labels: Uint32Array.from(pictures, ({ label }) => label),
    pictureName: (i) => pictures[i]!.name,
    place: keepDecoded(memory, async (i, target) => {
      const picture = pictures[i]!;
      target.set(await decodePicture(picture.name, picture.svg, size));
    }),
  });
}
