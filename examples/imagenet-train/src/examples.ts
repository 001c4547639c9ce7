import type { Dataset } from '@alex/data';
import { predict } from '@alex/trainer';
import type { Session } from './session.js';

/** One validation picture, and what a network takes it for. */
export interface Example {
  /** The picture's name in its data set. */
  readonly name: string;
  readonly picture: {
    readonly data: Uint8Array;
    readonly width: number;
    readonly height: number;
    readonly channels: 1 | 3;
  };
  /** Name of the right class. */
  readonly label: string;
  /** The likeliest five, likeliest first. */
  readonly top5: readonly { readonly label: string; readonly probability: number }[];
}

/** Shows a network `count` pictures from all over the validation split. */
export async function predictExamples(
  session: Pick<Session, 'network' | 'augmenter'>,
  { validation, classes }: Dataset,
  count: number,
): Promise<Example[]> {
  const shown = Math.min(count, validation.length);
  const numbers = Array.from({ length: shown }, (_, i) => Math.floor(((i + 0.5) * validation.length) / shown));
  const pictures = await validation.read(numbers);
  const { height, width, channels } = pictures;
  const bytes = height * width * channels;
  const predictions = await predict(session, pictures);
  return predictions.map((likeliest, i) => ({
    name: validation.pictureName(numbers[i]!),
    picture: {
      data: pictures.pixels.subarray(i * bytes, (i + 1) * bytes),
      width,
      height,
      channels: channels === 1 ? 1 : 3,
    },
    label: classes[pictures.labels[i]!]!,
    top5: likeliest.map(({ label, probability }) => ({ label: classes[label]!, probability })),
  }));
}
