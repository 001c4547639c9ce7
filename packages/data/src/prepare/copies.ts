import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';

/** Enough to tell apart most archives of the same size without reading the whole of them. */
const headBytes = 2 ** 16;

/**
 * Finds files with the same content: an archive that was downloaded twice, or is also there in its compressed form.
 *
 * @param paths files; those of one size are read
 * @returns for each file, the index of the first one with its content: its own if there was none before it
 */
export async function firstOfEach(paths: readonly string[]): Promise<number[]> {
  const first = paths.map((_, index) => index);
  let groups = [first];
  for (const keyOf of [sizeOf, digestOf(headBytes), digestOf(Infinity)]) {
    groups = await split(groups, (index) => keyOf(paths[index]!));
  }
  for (const [original, ...copies] of groups) for (const copy of copies) first[copy] = original!;
  return first;
}

/** The parts of groups whose members have the same key; members that share it with no other are left out. */
async function split(groups: readonly number[][], keyOf: (index: number) => Promise<string>): Promise<number[][]> {
  const parts: number[][] = [];
  for (const group of groups) {
    const byKey = new Map<string, number[]>();
    for (const index of group) {
      const key = await keyOf(index);
      byKey.set(key, [...(byKey.get(key) ?? []), index]);
    }
    parts.push(...[...byKey.values()].filter((part) => part.length > 1));
  }
  return parts;
}

const sizeOf = async (path: string) => `${(await stat(path)).size}`;

const digestOf = (bytes: number) => async (path: string) => {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { end: bytes - 1, highWaterMark: 2 ** 20 }), hash);
  return hash.digest('hex');
};
