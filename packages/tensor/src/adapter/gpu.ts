import { platform } from '#platform';
import { AdapterError, AdapterLostError, MemoryError } from '../errors.js';
import { checkOptions, checkWholeNumber } from '../option-checks.js';
import type { AdapterDescription } from '../platform/platform.js';
import type { GPUAdapterInfo, GPUBuffer, GPUDevice, GPUSupportedLimits } from '../platform/webgpu.js';
import { sleep } from '../sleep.js';
import { type SubgroupMatrix, type Subgroups, subgroupsOf } from './subgroups.js';

export type { AdapterDescription } from '../platform/platform.js';

/** Options of a buffer. */
export interface BufferOptions {
  /** Named in errors. */
  readonly label: string;
  /** Bytes. */
  readonly size: number;
  /** Bits of `GPUBufferUsage`. */
  readonly usage: number;
  /** Whether the host can write to it before its first use; its size must then be a multiple of 4. Default: false. */
  readonly mappedAtCreation?: boolean;
}

/** Restricts what kernels may use of an adapter: to test their other variants, or to leave room for other programs. */
export interface GpuOptions {
  /** False: kernels do not use subgroups (and so no matrix units), even if the adapter has them. */
  readonly subgroups?: boolean;
  /** Maximum size of a kernel's binding, in bytes. Default: the adapter's limit, which is the largest allowed value. */
  readonly bindingBytes?: number;
  /** Maximum size of all buffers together, in bytes. Default: as much as the driver provides. */
  readonly memoryBytes?: number;
}

const noSubgroups: Partial<Subgroups> = {};

const errorFilters = ['validation', 'out-of-memory', 'internal'] as const;

/**
 * On a busy machine, the loss of an adapter may be reported this many milliseconds after the failure that it caused.
 */
const newsOfLoss = 5000;

/**
 * Open devices. The driver's threads must be idle when the process unloads the driver, even if the process ends early.
 * Therefore, exit handlers are registered while any device is open.
 */
const open = new Set<Gpu>();

function disposeAll(): void {
  for (const gpu of open) gpu.dispose();
}

function opened(gpu: Gpu): void {
  if (open.size === 0) platform.atExit(disposeAll);
  open.add(gpu);
}

function closed(gpu: Gpu): void {
  open.delete(gpu);
  if (open.size === 0) platform.notAtExit(disposeAll);
}

/** An open adapter: the device, its capabilities, and its buffers. Created by `openGpu`. */
export class Gpu {
  readonly device: GPUDevice;
  readonly description: AdapterDescription;
  /**
   * Optional features in use: those known to Alex that the adapter has, such as `timestamp-query`, `subgroups` and
   * `shader-f16`.
   */
  readonly features: ReadonlySet<string>;
  /** Limits of the device: for buffers and compute shaders, the adapter's maximum. */
  readonly limits: GPUSupportedLimits;
  /** Lanes of a subgroup, if the device has subgroups and all of them have one size, or can be pinned to one. */
  readonly subgroupSize: number | undefined;
  /** The size that kernels must request, if the adapter would otherwise choose one for each kernel. */
  readonly pinnedSubgroupSize: number | undefined;
  /** The largest matrices that a subgroup of that size multiplies at once, if the adapter has matrix units for f16. */
  readonly subgroupMatrix: SubgroupMatrix | undefined;
  /** Maximum size of a kernel's binding, in bytes; a larger tensor is bound in chunks. */
  readonly bindingBytes: number;
  /**
   * Maximum size of all buffers together, in bytes, as far as it is known: the option's value, and on a software driver
   * no more than the machine's memory. Infinity if only the driver knows.
   */
  readonly memoryBytes: number;
  /**
   * Resolves when the adapter is lost, with an error that gives the adapter and the reason. `dispose` is not a loss.
   */
  readonly lost: Promise<AdapterLostError>;

  readonly #sizes = new Map<GPUBuffer, number>();
  #liveBytes = 0;
  #disposed = false;
  #loss: AdapterLostError | undefined;
  #uncaught: AdapterError | undefined;

  /** @param info - the adapter's own information; a device's copy lacks the matrix sizes */
  constructor(
    device: GPUDevice,
    description: AdapterDescription,
    options: GpuOptions = {},
    info: GPUAdapterInfo = device.adapterInfo,
  ) {
    this.device = device;
    this.description = description;
    this.features = new Set(device.features);
    this.limits = device.limits;
    const { size, pinned, matrix } = options.subgroups === false ? noSubgroups : subgroupsOf(device, info);
    this.subgroupSize = size;
    this.pinnedSubgroupSize = pinned;
    this.subgroupMatrix = matrix;
    this.bindingBytes = Math.min(device.limits.maxStorageBufferBindingSize, options.bindingBytes ?? Infinity);
    const machineBytes = description.kind === 'software' ? platform.memoryBytes() : Infinity;
    this.memoryBytes = Math.min(machineBytes, options.memoryBytes ?? Infinity);
    this.lost = new Promise((resolve) => {
      void device.lost.then(({ reason, message }) => {
        if (this.#disposed) return;
        this.#loss = new AdapterLostError(
          `The adapter "${description.name}" was lost (${reason}): ${message || 'the driver gives no reason'}.`,
        );
        resolve(this.#loss);
      });
    });
    device.addEventListener('uncapturederror', (event) => {
      // Otherwise Dawn would print it on standard output, among the program's results.
      event.preventDefault();
      this.#uncaught ??= this.#reported('Unexpected', event.error);
    });
    opened(this);
  }

  /** Buffers created by `createBuffer` and not yet destroyed by `destroyBuffer`: 0 if nothing leaks. */
  get liveBuffers(): number {
    return this.#sizes.size;
  }

  /** Bytes of the live buffers. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  /**
   * Creates a buffer, filled with zeros, that counts as live until `destroyBuffer`.
   *
   * Throws a `MemoryError` if it is larger than the adapter allows, an `AdapterError` after `dispose`, a `ConfigError` for an
   * option that is none.
   */
  createBuffer(options: BufferOptions): GPUBuffer {
    checkOptions('createBuffer', options, ['label', 'size', 'usage', 'mappedAtCreation']);
    const { label, size } = options;
    checkWholeNumber(label, 'size', size, 0);
    if (this.#disposed) throw new AdapterError(`${label}: the adapter "${this.description.name}" has been disposed.`);
    if (size > this.limits.maxBufferSize) {
      throw new MemoryError(
        `${label}: a buffer of ${size} bytes is more than the ${this.limits.maxBufferSize} bytes ` +
          `that the adapter "${this.description.name}" allows: use a smaller batch or another adapter.`,
      );
    }
    if (this.#liveBytes + size > this.memoryBytes) {
      throw new MemoryError(
        `${label}: with these ${size} bytes, all buffers would take ${this.#liveBytes + size}, more than the ` +
          `${this.memoryBytes} that may be used on the adapter "${this.description.name}": use a smaller batch.`,
      );
    }
    const buffer = this.device.createBuffer(options);
    this.#sizes.set(buffer, size);
    this.#liveBytes += size;
    return buffer;
  }

  /** Frees a buffer of `createBuffer`. A second call has no effect. */
  destroyBuffer(buffer: GPUBuffer): void {
    const size = this.#sizes.get(buffer);
    if (size === undefined) return;
    this.#sizes.delete(buffer);
    this.#liveBytes -= size;
    buffer.destroy();
  }

  /**
   * Calls `work` and returns its result if the device reported no error in the meantime. Otherwise, the buffers that
   * `work` created are destroyed. Only calls before the first `await` of `work` are covered.
   *
   * Throws an `AdapterError` that begins with `label`, or the error of the loss if the adapter was lost.
   */
  async validated<T>(label: string, work: () => T | Promise<T>): Promise<T> {
    for (const filter of errorFilters) this.device.pushErrorScope(filter);
    // Error scopes form one stack for the whole device, so they are closed before other code can run.
    const before = new Set(this.#sizes.keys());
    const result = callNow(work);
    const made = [...this.#sizes.keys()].filter((buffer) => !before.has(buffer));
    const scopes = errorFilters.map(() => this.device.popErrorScope());
    const [outcome, ...found] = await Promise.allSettled([result, ...scopes]);
    for (const scope of found) {
      if (scope.status === 'fulfilled' && !scope.value) continue;
      for (const buffer of made) this.destroyBuffer(buffer);
      if (scope.status === 'rejected') throw this.#loss ?? this.#reported(label, scope.reason);
      throw this.#reported(label, scope.value);
    }
    // A lost device reports no errors at all.
    if (this.#loss) throw this.#loss;
    if (outcome.status === 'fulfilled') return outcome.value;
    if (isA('GPUPipelineError', outcome.reason)) throw this.#reported(label, outcome.reason);
    throw outcome.reason;
  }

  /**
   * Runs `make`. If it throws, the buffers that it created are destroyed, so that nothing is left of a partial result.
   */
  allOrNothing<T>(make: () => T): T {
    const before = new Set(this.#sizes.keys());
    try {
      return make();
    } catch (error) {
      for (const buffer of [...this.#sizes.keys()]) if (!before.has(buffer)) this.destroyBuffer(buffer);
      throw error;
    }
  }

  /**
   * Waits until all work submitted so far is done.
   *
   * Throws an `AdapterError` if the adapter was lost, or (once) if the device reported an error outside `validated`.
   */
  async finished(): Promise<void> {
    await this.device.queue.onSubmittedWorkDone().catch(() => undefined);
    this.check();
  }

  /** Throws like {@link finished}, but does not wait: for work that is known to be done. */
  check(): void {
    if (this.#loss) throw this.#loss;
    const error = this.#uncaught;
    this.#uncaught = undefined;
    if (error) throw error;
  }

  /**
   * The cause of a rejected promise of the device: the loss of the adapter, if it is reported soon, otherwise `reason`.
   */
  async explain(reason: unknown): Promise<unknown> {
    return Promise.race([this.lost, sleep(newsOfLoss, { keepsAlive: false }).then(() => reason)]);
  }

  /** Destroys all live buffers and the device. A second call has no effect. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    closed(this);
    for (const buffer of [...this.#sizes.keys()]) this.destroyBuffer(buffer);
    this.device.destroy();
  }

  #reported(label: string, reason: unknown): AdapterError {
    const message = `${label}: the adapter "${this.description.name}" reports: ${withoutRepeats(messageOf(reason)).trim()}`;
    return isA('GPUOutOfMemoryError', reason) ? new MemoryError(message) : new AdapterError(message);
  }
}

/**
 * A driver may report the same error in a kernel's text several times, because the text is compiled several times: each is
 * kept only once.
 */
function withoutRepeats(message: string): string {
  const said = new Set<string>();
  return message
    .split(/\n{2,}/)
    .filter((part) => {
      const what = part.replace(/^.*?:\d+:\d+ /s, '');
      return !said.has(what) && said.add(what);
    })
    .join('\n\n');
}

async function callNow<T>(work: () => T | Promise<T>): Promise<T> {
  return await work();
}

/** WebGPU's error classes are not globals in Node. */
function isA(name: string, reason: unknown): boolean {
  return typeof reason === 'object' && reason !== null && reason.constructor.name === name;
}

function messageOf(reason: unknown): string {
  return typeof reason === 'object' && reason !== null && 'message' in reason ? String(reason.message) : String(reason);
}
