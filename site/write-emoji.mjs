import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { colourStatistics, emojiLicences, openEmoji } from '@alex/data';

const size = 64;

/** Writes the emoji for the pages: the pixels of all images in one file, and what they are in another. */
export async function writeEmoji(folder) {
  const { train, validation, classes } = await openEmoji({ size });
  await mkdir(folder, { recursive: true });
  const pixels = [];
  for (const split of [train, validation]) {
    pixels.push((await split.read(Array.from({ length: split.length }, (_, image) => image))).pixels);
  }
  await writeFile(join(folder, 'emoji.bin'), Buffer.concat(pixels));
  const { mean, axes, standardDeviations } = await colourStatistics(train);
  const facts = {
    size,
    classes,
    train: [...train.labels],
    validation: [...validation.labels],
    colours: { mean, axes, standardDeviations },
    artists: emojiLicences,
  };
  await writeFile(join(folder, 'emoji.json'), JSON.stringify(facts));
}
