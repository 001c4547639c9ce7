import { platform } from '#platform';
import { type OpenOptions, openGpu } from '../adapter/adapters.js';
import type { Gpu } from '../adapter/gpu.js';
import { checkGpu, checkOptions, checkWholeNumber } from '../option-checks.js';
import { sleep } from '../sleep.js';
import { dispatchEmpty } from './empty-dispatch.js';
import { type Kernel, type KernelSource, kernelsOf } from './pipelines.js';

export interface CompileKernelsOptions {
  /** Called once, if there is anything to compile. */
  readonly onBegin?: ((event: { readonly kernels: number; readonly cores: number }) => void) | undefined;
  /** The largest number of cores to use, if we can choose it. Default: all that this process may use. */
  readonly cores?: number | undefined;
  /** For tests: opens the additional devices. */
  readonly open?: ((options: OpenOptions) => Promise<Gpu>) | undefined;
  /** For tests: resolves when compiling a share has taken so long that the driver must really be compiling. */
  readonly patience?: (() => Promise<unknown>) | undefined;
}

/**
 * If a share takes less than this, in milliseconds, it is already on disk; opening devices would then cost more than it
 * saves.
 */
const fromDisk = 500;

/** Each device has its own threads and memory, and the paper's network has only a hundred kernels. */
const mostDevices = 8;

const compiledBefore = new WeakSet<Kernel>();

/**
 * Waits until everything created for an adapter so far is compiled, so that the first run takes no longer than the
 * others. Most drivers compile a program's kernels in the background, on several cores. lavapipe compiles a kernel when
 * it is first dispatched, on one core per device. There, other devices compile a share each, which reaches the adapter
 * through the driver's cache on disk.
 *
 * A kernel that does not compile is not an error here, but when it is run.
 *
 * @throws ConfigError for an unknown option
 */
export async function compileKernels(gpu: Gpu, options: CompileKernelsOptions = {}): Promise<void> {
  checkGpu('compileKernels', gpu);
  checkOptions('compileKernels', options, ['onBegin', 'cores', 'open', 'patience']);
  const { onBegin, cores = platform.cores() } = options;
  checkWholeNumber('compileKernels', 'cores', cores);
  const kernels = kernelsOf(gpu).filter((kernel) => !compiledBefore.has(kernel));
  if (kernels.length === 0) return;
  for (const kernel of kernels) compiledBefore.add(kernel);
  onBegin?.({ kernels: kernels.length, cores });
  await Promise.allSettled(kernels.map(({ pipeline }) => pipeline));
  if (compilesAtFirstDispatch(gpu)) await compileByDispatch(gpu, kernels, options);
}

function compilesAtFirstDispatch({ description: { kind, vendor } }: Gpu): boolean {
  return kind === 'software' && vendor === 'mesa';
}

/** Compiles kernels on several devices in parallel, for a driver that compiles at the first dispatch. */
export async function compileByDispatch(
  gpu: Gpu,
  kernels: readonly KernelSource[],
  { cores = platform.cores(), open = openGpu, patience = () => sleep(fromDisk) }: CompileKernelsOptions,
): Promise<void> {
  const [own = [], ...others] = deal(kernels, Math.min(cores, mostDevices));
  const working = dispatchEmpty(gpu, own);
  const found = await Promise.race([working.then(() => true), patience().then(() => false)]);
  if (!found) await Promise.all([working, ...others.map((hand) => help(gpu, hand, open))]);
  // Now found on disk, if the driver has a cache there.
  await dispatchEmpty(gpu, others.flat());
}

/**
 * Compiles kernels on an additional device. This is optional: if the device cannot be opened, the adapter's own
 * compiles them.
 */
async function help(
  { description: { index, name, driver }, bindingBytes }: Gpu,
  kernels: readonly KernelSource[],
  open: (options: OpenOptions) => Promise<Gpu>,
): Promise<void> {
  let helper: Gpu;
  try {
    helper = await open({ adapter: index, bindingBytes });
  } catch {
    return;
  }
  try {
    if (helper.description.name === name && helper.description.driver === driver) await dispatchEmpty(helper, kernels);
  } finally {
    helper.dispose();
  }
}

/** Divides kernels into shares of about the same length: deals the longest texts first, back and forth. */
export function deal<Source extends Pick<KernelSource, 'code'>>(kernels: readonly Source[], hands: number): Source[][] {
  const dealt: Source[][] = Array.from({ length: Math.max(1, Math.min(hands, kernels.length)) }, () => []);
  const longestFirst = [...kernels].sort((a, b) => b.code.length - a.code.length);
  for (const [index, kernel] of longestFirst.entries()) {
    const place = index % (2 * dealt.length);
    dealt[Math.min(place, 2 * dealt.length - 1 - place)]!.push(kernel);
  }
  return dealt;
}
