import { type Decoded, type DecodeJob, decode as decodeUsual } from '../decode-worker.js';

/**
 * Decodes normally, but ends its thread at an image whose file is called `fatal`, and at one called `together` in a
 * batch with others.
 */
export async function decode(job: DecodeJob): Promise<Decoded> {
  const files = job.images.map(({ file }) => file);
  if (files.some((file) => file.endsWith('fatal'))) process.exit(3);
  // Alone the second time: memory ran out only together with the others.
  if (files.length > 1 && files.some((file) => file.endsWith('together'))) process.exit(3);
  return decodeUsual(job);
}
