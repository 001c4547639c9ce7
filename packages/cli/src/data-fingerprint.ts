import { createHash } from 'node:crypto';
import type { Dataset, Split } from '@alex/data';
import { ConfigError } from '@alex/tensor';
import type { DataConfig } from '@alex/trainer';

type Fingerprint = NonNullable<DataConfig['fingerprint']>;

/**
 * Everything in the data that a run's exact result depends on: the number of images, their names and labels in order, and
 * their contents.
 */
export async function fingerprintOf({ train, validation }: Dataset): Promise<Fingerprint> {
  return { train: await splitFingerprint(train), validation: await splitFingerprint(validation) };
}

/** The same of one of its splits. */
export async function splitFingerprint(split: Split): Promise<Fingerprint['train']> {
  const hash = createHash('sha256');
  for (let i = 0; i < split.length; i++) hash.update(`${split.labels[i]} ${split.imageName(i)}\n`);
  const content = await split.contentHash?.();
  return {
    images: split.length,
    hash: hash.digest('hex').slice(0, 32),
    ...(content !== undefined && { content: content.slice(0, 32) }),
  };
}

/**
 * How data differ from those that a run started with: a sentence, or undefined if they do not. Runs of older versions have
 * no fingerprint, or none of the contents.
 */
export function dataChange(own: Fingerprint | undefined, now: Fingerprint): string | undefined {
  if (!own) return undefined;
  const changes = [
    splitChange('training', own.train, now.train),
    splitChange('validation', own.validation, now.validation),
  ].filter((change) => change !== undefined);
  return changes.length === 0 ? undefined : changes.join(', ');
}

/** The same of one split. */
export function splitChange(
  kind: 'training' | 'validation',
  before: Fingerprint['train'],
  after: Fingerprint['train'],
): string | undefined {
  if (before.images !== after.images) return `${after.images} instead of ${before.images} ${kind} images`;
  if (before.hash !== after.hash) return `${kind} images with other names or labels`;
  const known = before.content !== undefined && after.content !== undefined;
  return known && before.content !== after.content
    ? `${kind} images with the same names and other contents`
    : undefined;
}

/** @throws ConfigError if the data of a run have changed, unless that is allowed */
export function checkSameData(run: string, source: string, change: string | undefined, allowed: boolean): void {
  if (change === undefined || allowed) return;
  throw new ConfigError(
    `${source}: the data have changed since ${run} started: ${change}. Restore them, or add --data-changed to continue with the changed data: ` +
      'the result then depends on both versions',
  );
}
