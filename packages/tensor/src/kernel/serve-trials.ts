import type { OpenOptions } from '../adapter/adapters.js';
import type { AdapterDescription, Gpu } from '../adapter/gpu.js';
import { AdapterError, AdapterLostError } from '../errors.js';
import { Examiner, messageOf } from './examiner.js';
import { readTunable, type WrittenTunable } from './written-tunable.js';

/** A job for a trial process: the candidates of a tunable to try on an adapter, the same one for all jobs. */
export interface TrialJob {
  readonly adapter: Pick<AdapterDescription, 'index' | 'name' | 'driver' | 'bus'>;
  readonly bindingBytes: number;
  readonly tunable: WrittenTunable;
}

/** Its answers. If the process ends while it is trying a candidate, that candidate is to blame. */
export type TrialMessage =
  | { readonly kind: 'trying'; readonly candidate: number }
  /** `fault` is given if it is wrong or fails. */
  | { readonly kind: 'tried'; readonly candidate: number; readonly fault: string | undefined }
  | { readonly kind: 'done' }
  /** The adapter is lost, so this process is of no further use. */
  | { readonly kind: 'lost'; readonly reason: string }
  /** Nothing can be tried. */
  | { readonly kind: 'failed'; readonly reason: string };

/** Tries candidates for the parent process, until that ends. */
export function serveTrials(open: (options: OpenOptions) => Promise<Gpu>): void {
  let opened: Promise<Gpu> | undefined;
  process.on('message', async (job: TrialJob) => {
    try {
      opened ??= openAdapter(open, job);
      await tryCandidates(await opened, job.tunable);
      await say({ kind: 'done' });
    } catch (error) {
      await say({ kind: error instanceof AdapterLostError ? 'lost' : 'failed', reason: messageOf(error) });
    }
  });
  // Ctrl-C is meant for the parent process. When the parent is gone, even a driver that hangs must not keep this
  // process alive.
  process.on('SIGINT', () => undefined);
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
}

async function openAdapter(
  open: (options: OpenOptions) => Promise<Gpu>,
  { adapter, bindingBytes }: TrialJob,
): Promise<Gpu> {
  const gpu = await open({ adapter: adapter.bus ?? adapter.index, bindingBytes });
  const { name, driver } = gpu.description;
  if (name === adapter.name && driver === adapter.driver) return gpu;
  throw new AdapterError(`another process finds "${name}" in place of the adapter "${adapter.name}"`);
}

async function tryCandidates(gpu: Gpu, written: WrittenTunable): Promise<void> {
  const tunable = readTunable(written);
  const examiner = new Examiner(gpu, tunable);
  const faultOf = async (choice: unknown) => {
    let fault: string | undefined;
    for (const run of examiner.build([choice], (_, reason) => (fault = reason))) fault = await examiner.faultOf(run);
    return fault;
  };
  try {
    const fault = await faultOf(tunable.plain);
    if (fault !== undefined) throw new AdapterError(`the plain choice fails: ${fault}`);
    for (const [candidate, choice] of tunable.candidates.entries()) {
      await say({ kind: 'trying', candidate });
      await say({ kind: 'tried', candidate, fault: await faultOf(choice) });
    }
  } finally {
    examiner.dispose();
  }
}

/** Resolves when the message has been sent: the next candidate may end the process. */
function say(message: TrialMessage): Promise<void> {
  return new Promise((resolve) => process.send!(message, () => resolve()));
}
