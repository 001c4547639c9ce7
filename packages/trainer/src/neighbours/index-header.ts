import type { FileHandle } from 'node:fs/promises';
import { ConfigError, DataError } from '@alex/tensor';
import * as v from 'valibot';
import { readAll } from '../file.js';

/** The contents and the origin of an index of features. */
export interface IndexDescription {
  /** The number of images, with one row each. */
  readonly rows: number;
  /** The shape of one image's features: `[F]` or `[C, H, W]`. */
  readonly shape: readonly number[];
  /** Everything that the features depend on, as named texts that change when it changes: hashes of weights and data. */
  readonly identity: Readonly<Record<string, string>>;
}

const magic = Buffer.from('ALEXFEAT', 'latin1');
const version = 1;
/** Rows start at a multiple of this many bytes. */
const alignment = 64;
const prefixBytes = 16;
const longest = 1_000_000;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const headerSchema = v.strictObject({
  version: v.literal(version),
  rows: count,
  shape: v.pipe(v.array(count), v.minLength(1)),
  identity: v.record(v.string(), v.string()),
});

/** @throws ConfigError for a description that could be written, but not read again */
export function checkDescription(path: string, description: IndexDescription): void {
  const checked = v.safeParse(headerSchema, { version, ...description });
  if (checked.success) return;
  const [{ message, path: place = [] }] = checked.issues;
  throw new ConfigError(
    `${path}: an index is described by { rows, shape, identity }; ${place.map(({ key }) => key).join('.')}: ${message}`,
  );
}

/**
 * The first bytes of the file: eight bytes that identify the format, the length of a text, and the text, which is JSON.
 */
export function encodeHeader({ rows, shape, identity }: IndexDescription): Buffer {
  const text = JSON.stringify({ version, rows, shape, identity });
  const length = Buffer.byteLength(text);
  const header = Buffer.alloc(alignment * Math.ceil((prefixBytes + length) / alignment), ' ');
  magic.copy(header);
  header.writeBigUInt64LE(BigInt(header.length - prefixBytes), magic.length);
  header.write(text, prefixBytes);
  return header;
}

/** @throws DataError if the file starts differently, or was written by a later version */
export async function readHeader(
  path: string,
  file: FileHandle,
): Promise<IndexDescription & { readonly bytes: number }> {
  const prefix = Buffer.alloc(prefixBytes);
  const isOurs = (await readAll(file, prefix, 0)) && prefix.subarray(0, magic.length).equals(magic);
  const length = isOurs ? Number(prefix.readBigUInt64LE(magic.length)) : 0;
  const text = Buffer.alloc(isOurs ? Math.min(length, longest) : 0);
  if (!isOurs || length > longest || !(await readAll(file, text, prefixBytes))) {
    throw new DataError(`${path}: is not an index of features, or is damaged; rebuild it`);
  }
  const header = v.safeParse(headerSchema, parsed(text.toString('utf8')));
  if (!header.success) {
    throw new DataError(
      `${path}: its header is damaged, or of another version than ${version}, the supported one; rebuild it`,
    );
  }
  const { rows, shape, identity } = header.output;
  return { rows, shape, identity, bytes: prefixBytes + length };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
