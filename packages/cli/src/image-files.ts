import { decodeImage } from '@alex/data';
import { DataError } from '@alex/tensor';
import { oneLine } from './failure.js';
import type { Output } from './output.js';
import type { TrainedNetwork } from './session.js';

/** Decoded image files for a network. */
export interface DecodedFiles {
  /** Those that could be read, in their order. */
  readonly usable: readonly string[];
  /** One image after the other. */
  readonly pixels: Uint8Array;
  /** What is wrong with the others. */
  readonly problems: ReadonlyMap<string, string>;
}

/** Reads image files for a network, as many as can be read. */
export async function decodeFiles(
  files: readonly string[],
  { config }: Pick<TrainedNetwork, 'config'>,
): Promise<DecodedFiles> {
  const { height, width, channels } = config.data;
  const bytes = height * width * channels;
  const pixels = new Uint8Array(files.length * bytes);
  const problems = new Map<string, string>();
  const usable: string[] = [];
  for (const file of files) {
    try {
      pixels.set(await decodeImage(file, file, height, channels === 1 ? 1 : 3), usable.length * bytes);
      usable.push(file);
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      problems.set(file, error.message);
    }
  }
  return { usable, pixels: pixels.subarray(0, usable.length * bytes), problems };
}

/** Lists the images that could not be used: last, so that they are visible below any number of others. */
export function sayProblems(problems: Iterable<string>, { errors }: Pick<Output, 'errors'>): void {
  for (const problem of problems) errors.write(`error: ${oneLine(problem)}\n`);
}
