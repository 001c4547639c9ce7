import type { Gpu } from '../adapter/gpu.js';
import { AdapterError, AdapterLostError, AlexError } from '../errors.js';

/**
 * If work fails because a device was lost, the device reports the loss at about the same time, before or after. This is
 * how long to wait for the report, in milliseconds. A busy machine may be slow, and nothing else depends on this wait:
 * the work has failed already.
 */
const patience = 5000;

/** The error for adapters that compute together and had to stop. If one was lost, it names that one as the cause. */
export async function explainFailure(what: string, gpus: readonly Gpu[], error: unknown): Promise<Error> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const patient = new Promise<undefined>((resolve) => {
    // An error that has nothing to do with an adapter is passed on unchanged.
    const known = error instanceof AlexError && !(error instanceof AdapterError);
    timer = setTimeout(() => resolve(undefined), known ? 0 : patience);
  });
  const losses = gpus.map(({ lost }, index) => lost.then((loss) => ({ loss, number: index + 1 })));
  const found = await Promise.race([...losses, patient]);
  clearTimeout(timer);
  if (found) {
    return new AdapterLostError(
      `${what}: adapter ${found.number} of ${gpus.length} failed, so all of them stopped: ${found.loss.message}`,
      { cause: error },
    );
  }
  if (error instanceof AlexError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new AdapterError(`${what}: the adapters stopped: ${message}`, { cause: error });
}
