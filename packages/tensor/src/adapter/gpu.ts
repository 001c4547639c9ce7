import { totalmem } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { AdapterError, AdapterLostError, MemoryError } from '../errors.js';
import { type SubgroupMatrix, type Subgroups, subgroupsOf } from './subgroups.js';
import type { GPUAdapterInfo, GPUBuffer, GPUDevice, GPUSupportedLimits } from './webgpu.js';

/** What can be known of an adapter before it is opened. */
export interface AdapterDescription {
  /** Position in `listAdapters()`. */
  readonly index: number;
  /** As the driver names it: `llvmpipe (LLVM 15.0.6, 256 bits)`. */
  readonly name: string;
  /** `mesa`, `nvidia`, `apple` ... */
  readonly vendor: string;
  /** The family of the chip, where the driver tells. */
  readonly architecture: string;
  /** Name and version of the driver. */
  readonly driver: string;
  /** Whether a GPU computes, or the CPU in place of one. */
  readonly kind: 'hardware' | 'software';
  /** Whether the driver came with `@alex/software-gpu` instead of the machine. */
  readonly embedded: boolean;
  /** PCI address, `0000:43:00.0`, by which adapters of one name are told apart. */
  readonly bus?: string;
  /** How many more of this name there are that cannot be opened, since nothing tells them apart (`docs/adapters.md`). */
  readonly outOfReach?: number;
}

/** What a buffer is made from. */
export interface BufferOptions {
  /** Named in errors. */
  readonly label: string;
  /** Bytes. */
  readonly size: number;
  /** Bits of `GPUBufferUsage`. */
  readonly usage: number;
  /** Whether the host may write to it before it is first used; its size must be a multiple of 4 then. Default: false. */
  readonly mappedAtCreation?: boolean;
}

/** Narrows what kernels may use of an adapter: to try their other variants, or to leave room for others. */
export interface GpuOptions {
  /** False: kernels do without subgroups (and so without matrix units) even where the adapter has them. */
  readonly subgroups?: boolean;
  /** The most bytes that one binding of a kernel may hold. Default: the adapter's own limit, which it cannot exceed. */
  readonly bindingBytes?: number;
  /** The most bytes that all buffers together may hold. Default: as many as the driver gives. */
  readonly memoryBytes?: number;
}

const noSubgroups: Partial<Subgroups> = {};

const errorFilters = ['validation', 'out-of-memory', 'internal'] as const;

/** The news that an adapter was lost may come so many milliseconds after what it broke, on a busy machine. */
const newsOfLoss = 5000;

/**
 * Devices that are open. The driver's threads must be at rest when the process unloads it, also where the process ends
 * before its time: the process is listened to while any device is open.
 */
const open = new Set<Gpu>();

function disposeAll(): void {
  for (const gpu of open) gpu.dispose();
}

function opened(gpu: Gpu): void {
  if (open.size === 0) process.on('exit', disposeAll);
  open.add(gpu);
}

function closed(gpu: Gpu): void {
  open.delete(gpu);
  if (open.size === 0) process.off('exit', disposeAll);
}

/** An open adapter: the device, what it can do, and the buffers that live on it. `openGpu` makes it. */
export class Gpu {
  readonly device: GPUDevice;
  readonly description: AdapterDescription;
  /** Optional features that are in use: those of Alex's that the adapter has, such as `timestamp-query`, `subgroups` and `shader-f16`. */
  readonly features: ReadonlySet<string>;
  /** Limits of the device: for buffers and compute shaders, the most that the adapter allows. */
  readonly limits: GPUSupportedLimits;
  /** Lanes of a subgroup, where the device has subgroups and all of them have one size, or can be made to. */
  readonly subgroupSize: number | undefined;
  /** The size that kernels must ask for, where the adapter would otherwise choose one for each. */
  readonly pinnedSubgroupSize: number | undefined;
  /** The largest matrices that a subgroup of that size multiplies at once, where the adapter has matrix units for f16. */
  readonly subgroupMatrix: SubgroupMatrix | undefined;
  /** The most bytes that one binding of a kernel may hold; a larger tensor is bound in parts. */
  readonly bindingBytes: number;
  /**
   * The most bytes that all buffers together may hold, as far as that is known: as the options say, and no more than the
   * machine's own memory where a CPU computes. Infinite where only the driver knows.
   */
  readonly memoryBytes: number;
  /** Resolves when the adapter is lost, with an error that names adapter and reason. `dispose` is not a loss. */
  readonly lost: Promise<AdapterLostError>;

  readonly #sizes = new Map<GPUBuffer, number>();
  #liveBytes = 0;
  #disposed = false;
  #loss: AdapterLostError | undefined;
  #uncaught: AdapterError | undefined;

  /** @param info - what the adapter says of itself; a device's own copy leaves its matrices out */
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
    const machineBytes = description.kind === 'software' ? memoryOfMachine() : Infinity;
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
      // Dawn would print it on standard output, among the program's results.
      event.preventDefault();
      this.#uncaught ??= this.#reported('Unexpected', event.error);
    });
    opened(this);
  }

  /** Buffers that `createBuffer` made and `destroyBuffer` did not take back: 0 where nothing leaks. */
  get liveBuffers(): number {
    return this.#sizes.size;
  }

  /** Bytes of the live buffers. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  /**
   * Makes a buffer, filled with zeros, that counts as live until `destroyBuffer`.
   *
   * Throws a `MemoryError` if it is larger than the adapter allows, an `AdapterError` after `dispose`.
   */
  createBuffer(options: BufferOptions): GPUBuffer {
    const { label, size } = options;
    if (this.#disposed) throw new AdapterError(`${label}: the adapter "${this.description.name}" was disposed of.`);
    if (size > this.limits.maxBufferSize) {
      throw new MemoryError(
        `${label}: a buffer of ${size} bytes is more than the ${this.limits.maxBufferSize} bytes ` +
          `that the adapter "${this.description.name}" allows: take a smaller batch or another adapter.`,
      );
    }
    if (this.#liveBytes + size > this.memoryBytes) {
      throw new MemoryError(
        `${label}: with its ${size} bytes all buffers would hold ${this.#liveBytes + size}, more than the ` +
          `${this.memoryBytes} that may be used of the adapter "${this.description.name}": take a smaller batch.`,
      );
    }
    const buffer = this.device.createBuffer(options);
    this.#sizes.set(buffer, size);
    this.#liveBytes += size;
    return buffer;
  }

  /** Gives the memory of a buffer of `createBuffer` back. A second time does nothing. */
  destroyBuffer(buffer: GPUBuffer): void {
    const size = this.#sizes.get(buffer);
    if (size === undefined) return;
    this.#sizes.delete(buffer);
    this.#liveBytes -= size;
    buffer.destroy();
  }

  /**
   * Calls `work` and hands its result on, if the device found nothing wrong with what it was told meanwhile. Else the buffers
   * that `work` made are destroyed. Only calls before the first `await` of `work` are watched.
   *
   * Throws an `AdapterError` that begins with `label`, or that of the loss if the adapter was lost.
   */
  async validated<T>(label: string, work: () => T | Promise<T>): Promise<T> {
    for (const filter of errorFilters) this.device.pushErrorScope(filter);
    // Scopes are one stack for the whole device: they close before anybody else can get a turn.
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
    // A lost device finds nothing wrong with anything.
    if (this.#loss) throw this.#loss;
    if (outcome.status === 'fulfilled') return outcome.value;
    if (isA('GPUPipelineError', outcome.reason)) throw this.#reported(label, outcome.reason);
    throw outcome.reason;
  }

  /** Runs `make` and, where it throws, destroys the buffers that it made: what fails halfway leaves nothing behind. */
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
   * Waits until everything submitted so far is done.
   *
   * Throws an `AdapterError` if the adapter was lost, or (once) if the device reported an error that no
   * `validated` was there for.
   */
  async finished(): Promise<void> {
    await this.device.queue.onSubmittedWorkDone().catch(() => undefined);
    this.check();
  }

  /** Throws as {@link finished} does, without waiting: for what is known to be done by another sign. */
  check(): void {
    if (this.#loss) throw this.#loss;
    const error = this.#uncaught;
    this.#uncaught = undefined;
    if (error) throw error;
  }

  /** What a promise of the device was rejected for: the loss of the adapter where it is known within a moment, or `reason`. */
  async explain(reason: unknown): Promise<unknown> {
    return Promise.race([this.lost, setTimeout(newsOfLoss, reason, { ref: false })]);
  }

  /** Destroys all live buffers and gives the device back. A second time does nothing. */
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

/** Of what the driver finds in a kernel's text, that which is written once but compiled several times is said once. */
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

/** The bytes of memory that this process may use at most. */
function memoryOfMachine(): number {
  // 0, or more than there is, where nothing constrains the process.
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

async function callNow<T>(work: () => T | Promise<T>): Promise<T> {
  return await work();
}

/** WebGPU's classes of errors are no globals in Node. */
function isA(name: string, reason: unknown): boolean {
  return typeof reason === 'object' && reason !== null && reason.constructor.name === name;
}

function messageOf(reason: unknown): string {
  return typeof reason === 'object' && reason !== null && 'message' in reason ? String(reason.message) : String(reason);
}
