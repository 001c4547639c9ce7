import { availableParallelism } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { type OpenOptions, openGpu } from '../adapter/adapters.js';
import type { Gpu } from '../adapter/gpu.js';
import { dispatchEmpty } from './empty-dispatch.js';
import { type Kernel, type KernelSource, kernelsOf } from './pipelines.js';

export interface CompileKernelsOptions {
  /** Called once, where there is anything to compile. */
  readonly onBegin?: ((event: { readonly kernels: number; readonly cores: number }) => void) | undefined;
  /** The most cores to use, where the driver leaves that to us. Default: all that this process may use. */
  readonly cores?: number | undefined;
  /** For tests: opens the devices that help. */
  readonly open?: ((options: OpenOptions) => Promise<Gpu>) | undefined;
  /** For tests: ends when whoever compiles its share has taken so long that it compiles indeed. */
  readonly patience?: (() => Promise<unknown>) | undefined;
}

/** A share that is on disk already takes less, milliseconds: then opening devices would cost more than they save. */
const fromDisk = 500;

/** Each device has threads and memory of its own, and a paper's network a hundred kernels. */
const mostDevices = 8;

const compiledBefore = new WeakSet<Kernel>();

/**
 * Waits until everything that was made for an adapter so far is compiled, so that the first run is one like the others. Most
 * drivers compile in the background, on several cores, what programs are made of. Lavapipe compiles a kernel when it is first
 * dispatched, on one core a device: there, other devices compile a share each, which the driver's cache on disk hands on.
 *
 * What cannot be compiled is no error here: it is one of whoever runs it.
 */
export async function compileKernels(gpu: Gpu, options: CompileKernelsOptions = {}): Promise<void> {
  const { onBegin, cores = availableParallelism() } = options;
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

/** Compiles on several devices at once what a driver compiles at its first dispatch. */
export async function compileByDispatch(
  gpu: Gpu,
  kernels: readonly KernelSource[],
  { cores = availableParallelism(), open = openGpu, patience = () => setTimeout(fromDisk) }: CompileKernelsOptions,
): Promise<void> {
  const [own = [], ...others] = deal(kernels, Math.min(cores, mostDevices));
  const working = dispatchEmpty(gpu, own);
  const found = await Promise.race([working.then(() => true), patience().then(() => false)]);
  if (!found) await Promise.all([working, ...others.map((hand) => help(gpu, hand, open))]);
  // Found on disk, where the driver has a place for it.
  await dispatchEmpty(gpu, others.flat());
}

/** Compiles kernels on a device of its own, which is an offer: where it cannot be had, the adapter's own compiles them. */
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

/** Deals kernels out to so many hands, each about as much: the longest texts first, back and forth. */
export function deal<Source extends Pick<KernelSource, 'code'>>(kernels: readonly Source[], hands: number): Source[][] {
  const dealt: Source[][] = Array.from({ length: Math.max(1, Math.min(hands, kernels.length)) }, () => []);
  const longestFirst = [...kernels].sort((a, b) => b.code.length - a.code.length);
  for (const [index, kernel] of longestFirst.entries()) {
    const place = index % (2 * dealt.length);
    dealt[Math.min(place, 2 * dealt.length - 1 - place)]!.push(kernel);
  }
  return dealt;
}
