import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Split } from './dataset.js';
import { createSplit } from './split.js';

/** An empty folder that goes away with the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'alex-data-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A split of pictures that are in memory already, as bytes `[height, width, channels]`. */
export function splitOfPictures(
  pictures: readonly ArrayLike<number>[],
  [height, width, channels]: [number, number, number],
): Split {
  return createSplit({
    name: 'pictures',
    height,
    width,
    channels,
    labels: Uint32Array.from(pictures, (_, i) => i % 2),
    pictureName: (i) => `picture ${i}`,
    place: (i, target) => target.set(pictures[i]!),
  });
}
