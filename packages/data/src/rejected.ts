import { join } from 'node:path';
import { ConfigError, DataError } from '@alex/tensor';
import { shown } from './checks.js';
import { writeWhole } from './files.js';

/** An image that cannot be used. */
export interface Rejected {
  readonly split: string;
  readonly image: string;
  /** In words. */
  readonly reason: string;
}

/** The default fraction of images that may be unusable. */
export const usualMaxRejected = 0.001;

/** Lists rejected images, one per line. */
export const rejectedFile = 'rejected.jsonl';

/** Throws a `ConfigError` unless it is a fraction. */
export function checkMaxRejected(maxRejected: number): void {
  if (typeof maxRejected === 'number' && maxRejected >= 0 && maxRejected <= 1) return;
  throw new ConfigError(`maxRejected is ${shown(maxRejected)}: give a fraction from 0 to 1`);
}

/** The number of images that a fraction allows. */
export function allowedOf(maxRejected: number, of: number): number {
  // 29% of 100 are 29, whatever 0.29 * 100 is.
  return Math.floor(maxRejected * of + 1e-6);
}

/** Writes the list into a folder, and returns its path. */
export async function writeRejected(folder: string, rejected: readonly Rejected[]): Promise<string> {
  const file = join(folder, rejectedFile);
  const lines = rejected.map(({ split, image, reason }) => `${JSON.stringify({ split, image, reason })}\n`);
  await writeWhole(file, lines.join(''));
  return file;
}

/** The number of images that an error names if no file lists them. */
const named = 20;

/**
 * The message if more images are rejected than allowed.
 *
 * @param file the list of them, if there is one
 */
export function tooManyRejected(
  rejected: readonly Rejected[],
  of: number,
  maxRejected: number,
  file: string | undefined,
): DataError {
  // Rounded up, so that the proposed value is enough.
  const enough = Math.ceil((rejected.length / of) * 10_000) / 100;
  const one = ({ image, reason }: Rejected) => `${image} (${reason})`;
  const all =
    file === undefined
      ? `: ${rejected.slice(0, named).map(one).join(', ')}${rejected.length > named ? ', and others' : ''}; replace or remove them`
      : `; for example ${rejected[0]!.image} (${rejected[0]!.reason}). ${file} lists them: replace or remove them`;
  return new DataError(
    `${rejected.length} of ${of} images cannot be used, more than ${percent(100 * maxRejected)}${all}, or allow more with --max-rejected ${percent(enough)}`,
  );
}

/** A sentence about images that are skipped. */
export function rejectedRemark(rejected: readonly Rejected[], of: number, file: string | undefined): string {
  const [{ image, reason }] = rejected as [Rejected, ...Rejected[]];
  const listed = file === undefined ? '' : ` ${file} lists them.`;
  const first = `${image} (${reason})`;
  return `${rejected.length} of ${of} images cannot be used and ${rejected.length === 1 ? 'is skipped:' : 'are skipped, for example'} ${first}.${listed}`;
}

const percent = (value: number) => `${value.toLocaleString('en-US', { maximumFractionDigits: 4 })}%`;
