import { AlexError } from '@alex/tensor';
import { describeFileError, writeAll, writeWhole } from '../file.js';
import { mostLikely } from './ranking.js';
import type { Scores } from './scores.js';

/** Guesses per image. */
const guesses = 5;

/**
 * Predictions in the format of ILSVRC: one line per image in the order of the split, with the numbers of its five most
 * likely classes, separated by spaces, most likely first (fewer if there are fewer classes).
 */
export class Submission {
  readonly #numbers: readonly number[] | undefined;
  readonly #lines: string[] = [];

  /** @param numbers the number of each class. Default: 1 for the first class, 2 for the second and so on */
  constructor(numbers?: readonly number[]) {
    this.#numbers = numbers;
  }

  add({ labels, classes, probabilities }: Pick<Scores, 'labels' | 'classes' | 'probabilities'>): void {
    for (let image = 0; image < labels.length; image++) {
      const own = probabilities.subarray(image * classes, (image + 1) * classes);
      this.#lines.push(
        `${mostLikely(own, guesses)
          .map((label) => this.#numbers?.[label] ?? label + 1)
          .join(' ')}\n`,
      );
    }
  }

  /** @throws AlexError if the file cannot be written */
  async write(path: string): Promise<void> {
    try {
      await writeWhole(path, (file) => writeAll(file, Buffer.from(this.#lines.join(''))));
    } catch (error) {
      throw new AlexError(`${path}: could not be written: ${describeFileError(error)}`, { cause: error });
    }
  }
}
