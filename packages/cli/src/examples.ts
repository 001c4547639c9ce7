import type { Dataset, ImageBatch } from '@alex/data';
import { predict } from '@alex/trainer';
import type { Session } from './session.js';

/** One validation image. */
export interface ExampleImage {
  /** The image's name in its data set. */
  readonly name: string;
  readonly image: {
    readonly data: Uint8Array;
    readonly width: number;
    readonly height: number;
    readonly channels: 1 | 3;
  };
  /** Name of the true class. */
  readonly label: string;
}

/** One validation image, and the network's prediction. */
export interface Example extends ExampleImage {
  /** The five most likely classes, most likely first. */
  readonly top5: readonly { readonly label: string; readonly probability: number }[];
}

/** Some validation images: one by one, and as a batch for a network. */
export interface ExampleImages {
  readonly examples: readonly ExampleImage[];
  readonly batch: ImageBatch;
}

/** Reads `count` images spread over the validation split. */
export async function readExampleImages({ validation, classes }: Dataset, count: number): Promise<ExampleImages> {
  const shown = Math.min(count, validation.length);
  const numbers = Array.from({ length: shown }, (_, i) => Math.floor(((i + 0.5) * validation.length) / shown));
  const batch = await validation.read(numbers);
  const { height, width, channels, labels, pixels } = batch;
  const bytes = height * width * channels;
  const examples = numbers.map((number, i) => ({
    name: validation.imageName(number),
    image: {
      data: pixels.subarray(i * bytes, (i + 1) * bytes),
      width,
      height,
      channels: channels === 1 ? (1 as const) : (3 as const),
    },
    label: classes[labels[i]!]!,
  }));
  return { examples, batch };
}

/** Predicts the classes of `count` images spread over the validation split. */
export async function predictExamples(
  session: Pick<Session, 'network' | 'augmenter'>,
  dataset: Dataset,
  count: number,
): Promise<Example[]> {
  const { examples, batch } = await readExampleImages(dataset, count);
  const predictions = await predict(session, batch);
  return predictions.map((mostLikely, i) => ({
    ...examples[i]!,
    top5: mostLikely.map(({ label, probability }) => ({ label: dataset.classes[label]!, probability })),
  }));
}
