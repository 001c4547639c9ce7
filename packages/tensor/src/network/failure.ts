import type { Gpu } from '../adapter/gpu.js';
import { AdapterError, AdapterLostError, AlexError } from '../errors.js';

/**
 * Where work fails because a device was lost, the device says so at about the same time, before or after: how long to wait for
 * it, in milliseconds. A busy machine takes its time, and nothing else hangs on this: the work has failed already.
 */
const patience = 5000;

/** What is said where adapters that compute together had to stop: which one is the cause, where one was lost. */
export async function explainFailure(what: string, gpus: readonly Gpu[], error: unknown): Promise<Error> {
  let timer: NodeJS.Timeout | undefined;
  const patient = new Promise<undefined>((resolve) => {
    // What an adapter has no part in is known for what it is.
    const known = error instanceof AlexError && !(error instanceof AdapterError);
    timer = setTimeout(() => resolve(undefined), known ? 0 : patience);
  });
  const losses = gpus.map(({ lost }, index) => lost.then((loss) => ({ loss, number: index + 1 })));
  const found = await Promise.race([...losses, patient]);
  clearTimeout(timer);
  if (found) {
    return new AdapterLostError(
      `${what}: adapter ${found.number} of ${gpus.length} failed, and with it all stopped: ${found.loss.message}`,
      { cause: error },
    );
  }
  if (error instanceof AlexError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new AdapterError(`${what}: the adapters stopped: ${message}`, { cause: error });
}
