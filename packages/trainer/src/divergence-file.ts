import { readFile } from 'node:fs/promises';
import { DataError } from '@alex/tensor';
import * as v from 'valibot';
import type { DivergenceReport } from './divergence.js';
import { describeFileError, errorCode } from './file.js';

const divergenceSchema = v.object({
  step: v.number(),
  loss: v.string(),
  goodStep: v.number(),
  began: v.exactOptional(v.string()),
  problem: v.exactOptional(v.string()),
});

/** What `divergence.json` says of a training as a whole; how each layer fared is for who looks into the file. */
export type Divergence = Omit<DivergenceReport, 'layers'>;

/**
 * Reads a `divergence.json`.
 *
 * @returns nothing where there is no such file
 * @throws DataError where it cannot be read, or is no such file
 */
export async function readDivergence(path: string): Promise<Divergence | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw new DataError(`${path}: could not be read: ${describeFileError(error)}`, { cause: error });
  }
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), divergenceSchema), text);
  if (!parsed.success) throw new DataError(`${path}: does not say how a training diverged; delete it`);
  return parsed.output;
}
