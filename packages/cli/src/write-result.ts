import { writeFile } from 'node:fs/promises';
import { AlexError } from '@alex/tensor';

/**
 * Writes an output file.
 *
 * @throws AlexError if it cannot be written, with the reason
 */
export async function writeResult(path: string, content: string | Uint8Array): Promise<void> {
  try {
    await writeFile(path, content);
  } catch (error) {
    throw new AlexError(`${path}: could not be written: ${(error as Error).message}`, { cause: error });
  }
}
