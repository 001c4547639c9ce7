/** Images of one purpose: `count` times `size` x `size` pixels of red, green and blue. */
export interface Images {
  readonly pixels: Uint8Array;
  readonly labels: readonly number[];
}

export interface Emoji {
  readonly size: number;
  readonly classes: readonly string[];
  readonly train: Images;
  readonly validation: Images;
  readonly colours: {
    readonly mean: readonly number[];
    readonly axes: readonly (readonly number[])[];
    readonly standardDeviations: readonly number[];
  };
}

/** The first classes of the emoji, from the two files that `write-emoji.mjs` wrote. */
export async function loadEmoji(folder: string, classes: number): Promise<Emoji> {
  const load = async (name: string) => {
    const response = await fetch(new URL(name, folder));
    if (!response.ok) throw new Error(`${name} could not be loaded (${response.status}); reload the page`);
    return response;
  };
  const [facts, bytes] = await Promise.all([
    load('emoji.json').then((response) => response.json()),
    load('emoji.bin').then((response) => response.arrayBuffer()),
  ]);
  const image = 3 * facts.size ** 2;
  const imagesOf = (labels: number[], first: number): Images => {
    // They are sorted by class.
    const kept = labels.filter((label) => label < classes);
    return { labels: kept, pixels: new Uint8Array(bytes, first * image, kept.length * image) };
  };
  return {
    size: facts.size,
    colours: facts.colours,
    classes: facts.classes.slice(0, classes),
    train: imagesOf(facts.train, 0),
    validation: imagesOf(facts.validation, facts.train.length),
  };
}

/** The pixels of some images, one after the other. */
export function gather({ pixels, labels }: Images, images: readonly number[]): Uint8Array {
  const length = pixels.length / labels.length;
  const gathered = new Uint8Array(images.length * length);
  for (const [position, image] of images.entries()) {
    gathered.set(pixels.subarray(image * length, (image + 1) * length), position * length);
  }
  return gathered;
}
