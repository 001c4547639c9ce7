import { readFile } from 'node:fs/promises';
import { AlexError, DataError } from '@alex/tensor';
import * as v from 'valibot';
import type { DivergenceReport } from './divergence.js';
import { describeFileError, errorCode, writeAll, writeWhole } from './file.js';

const divergenceSchema = v.object({
  step: v.number(),
  loss: v.string(),
  goodStep: v.number(),
  began: v.exactOptional(v.string()),
  problem: v.exactOptional(v.string()),
});

/** What `divergence.json` says about the training run as a whole, without its layers. */
export type Divergence = Omit<DivergenceReport, 'layers'>;

/**
 * Reads a `divergence.json`.
 *
 * @returns nothing if there is no such file
 * @throws DataError if it cannot be read, or has other contents
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

/** @throws AlexError if it cannot be written */
export async function writeDivergence(path: string, report: unknown): Promise<void> {
  const text = `${JSON.stringify(report, undefined, 2)}\n`;
  await writeWhole(path, (file) => writeAll(file, Buffer.from(text))).catch((error: unknown) => {
    throw new AlexError(`${path}: could not be written: ${describeFileError(error)}`, { cause: error });
  });
}
