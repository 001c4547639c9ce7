import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Split } from './dataset.js';
import { createSplit } from './split.js';

/** An empty folder that is removed with the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'alex-data-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A split of images that are already in memory, as bytes `[height, width, channels]`. */
export function splitOfImages(
  images: readonly ArrayLike<number>[],
  [height, width, channels]: [number, number, number],
): Split {
  return createSplit({
    name: 'images',
    height,
    width,
    channels,
    labels: Uint32Array.from(images, (_, i) => i % 2),
    imageName: (i) => `image ${i}`,
    place: (i, target) => target.set(images[i]!),
  });
}

/** Waits for this many turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
}
