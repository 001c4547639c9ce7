import type { UsableImage } from './usable-images.js';

/** An image, and the training image that has the same bytes. */
type Pair = readonly [image: UsableImage, same: UsableImage];

/**
 * What is worth knowing of images that are there more than once, byte for byte: the error on a validation image that is also
 * learnt from looks lower than it is, and one image in two classes is wrong in one of them.
 *
 * @returns remarks; none on images that nobody has looked at
 */
export function duplicateRemarks(train: readonly UsableImage[], validation: readonly UsableImage[]): string[] {
  const learnt = new Map<string, UsableImage>();
  const inTwoClasses: Pair[] = [];
  const alsoLearnt: Pair[] = [];
  for (const image of train) {
    if (image.digest === undefined) continue;
    const same = learnt.get(image.digest);
    if (!same) learnt.set(image.digest, image);
    else if (same.label !== image.label) inTwoClasses.push([image, same]);
  }
  for (const image of validation) {
    const same = image.digest === undefined ? undefined : learnt.get(image.digest);
    if (same) alsoLearnt.push([image, same]);
  }
  return [
    ...remarkOn(
      alsoLearnt,
      'validation',
      'also among the training images',
      'the validation error looks lower than it is',
    ),
    ...remarkOn(inTwoClasses, 'training', 'in two classes', 'leave it in one of them'),
  ];
}

function remarkOn(pairs: readonly Pair[], which: string, where: string, so: string): string[] {
  const [first] = pairs;
  if (!first) return [];
  const [one, same] = first;
  const count =
    pairs.length === 1 ? `1 ${which} image is` : `${pairs.length.toLocaleString('en-US')} ${which} images are`;
  return [`${count} ${where}, for example ${one.path} (${same.path}): ${so}.`];
}
