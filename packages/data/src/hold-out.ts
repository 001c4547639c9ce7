import { createHash } from 'node:crypto';
import { DataError } from '@alex/tensor';
import { someOf } from './remarks.js';

/** Share of each class that is held out if there are no validation images. */
const heldOutShare = 0.1;

/**
 * Holds out one image in ten of each class, at least one: those whose names have the lowest hashes, the same ones every
 * time and on every machine.
 *
 * @param nameOf the image's name within its class
 * @param whereOf the location of a class's images, for errors
 * @throws DataError if a class has only one image.
 */
export function holdOut<Image extends { readonly label: number }>(
  classes: readonly string[],
  images: readonly Image[],
  nameOf: (image: Image) => string,
  whereOf: (label: number) => string,
): { train: Image[]; validation: Image[] } {
  const byClass = classes.map((): Image[] => []);
  for (const image of images) byClass[image.label]!.push(image);
  const heldOut = new Set<Image>();
  const single = byClass.flatMap(({ length }, label) => (length === 1 ? [label] : []));
  if (single.length > 0) {
    const others = single.slice(1).map((label) => classes[label]!);
    const also = others.length === 0 ? '' : `, and so ${others.length === 1 ? 'has' : 'have'} ${someOf(others)}`;
    throw new DataError(
      `${whereOf(single[0]!)} has only one image${also}: give at least two, one for training and one for validation`,
    );
  }
  byClass.forEach((ofClass, label) => {
    const hashes = new Map(ofClass.map((image) => [image, hash(`${classes[label]}/${nameOf(image)}`)]));
    const sorted = ofClass.toSorted((a, b) => (hashes.get(a)! < hashes.get(b)! ? -1 : 1));
    const count = Math.max(1, Math.round(ofClass.length * heldOutShare));
    for (const image of sorted.slice(0, count)) heldOut.add(image);
  });
  return {
    train: images.filter((image) => !heldOut.has(image)),
    validation: images.filter((image) => heldOut.has(image)),
  };
}

/** Of the composed form: macOS and Linux may encode the same name differently. */
function hash(text: string): string {
  return createHash('sha256').update(text.normalize('NFC')).digest('hex');
}
