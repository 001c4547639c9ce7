import { AdapterError } from '../errors.js';

/** What can be known of an adapter before it is opened. */
export interface AdapterDescription {
  /** Position in `listAdapters()`. */
  readonly index: number;
  /** As the driver names it: `llvmpipe (LLVM 15.0.6, 256 bits)`. */
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly driver: string;
  readonly kind: 'hardware' | 'software';
  /** Whether the driver came with the project instead of the machine. */
  readonly embedded: boolean;
}

/** What a buffer is made from; `size` in bytes. */
export interface BufferOptions {
  readonly label: string;
  readonly size: number;
  /** Bits of `GPUBufferUsage`. */
  readonly usage: number;
  /** Default: false. */
  readonly mappedAtCreation?: boolean;
}

/** Narrows what kernels may use of an adapter: to try their other variants, or to leave room for others. */
export interface GpuOptions {
  /** False: kernels do without subgroups even where the adapter has them. */
  readonly subgroups?: boolean;
  /** The most bytes that one binding of a kernel may hold; the adapter's own limit where it is left out or larger. */
  readonly bindingBytes?: number;
}

/** An open adapter: the device, what it can do, and the buffers that live on it. Made by `openGpu`. */
export class Gpu {
  readonly device: GPUDevice;
  readonly description: AdapterDescription;
  readonly features: ReadonlySet<string>;
  readonly limits: GPUSupportedLimits;
  /** Lanes of a subgroup, where the `subgroups` feature is there and the adapter knows one size only. */
  readonly subgroupSize: number | undefined;
  /** The most bytes that one binding of a kernel may hold; a larger tensor is bound in parts. */
  readonly bindingBytes: number;
  /** Resolves if the adapter is lost (never because of `dispose`), with an error that names it and the reason. */
  readonly lost: Promise<AdapterError>;

  readonly #buffers = new Map<GPUBuffer, number>();
  #liveBytes = 0;
  #disposed = false;
  #uncaptured: AdapterError | undefined;

  constructor(device: GPUDevice, description: AdapterDescription, options: GpuOptions = {}) {
    this.device = device;
    this.description = description;
    this.features = new Set(device.features);
    this.limits = device.limits;
    const { subgroupMinSize, subgroupMaxSize } = device.adapterInfo;
    const fixed = device.features.has('subgroups') && subgroupMinSize === subgroupMaxSize;
    this.subgroupSize = fixed && options.subgroups !== false ? subgroupMinSize : undefined;
    this.bindingBytes = Math.min(device.limits.maxStorageBufferBindingSize, options.bindingBytes ?? Infinity);
    this.lost = new Promise((resolve) => {
      device.lost.then((info) => {
        if (!this.#disposed) {
          resolve(new AdapterError(`The adapter "${description.name}" was lost: ${info.message || info.reason}`));
        }
      });
    });
    device.addEventListener('uncapturederror', (event) => {
      this.#uncaptured ??= new AdapterError(`The adapter "${description.name}" reports: ${event.error.message}`);
    });
  }

  /** Buffers made by `createBuffer` and not yet destroyed. */
  get liveBuffers(): number {
    return this.#buffers.size;
  }

  /** Bytes of the live buffers. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  createBuffer(options: BufferOptions): GPUBuffer {
    const buffer = this.device.createBuffer(options);
    this.#buffers.set(buffer, options.size);
    this.#liveBytes += options.size;
    return buffer;
  }

  /** Destroys a buffer that `createBuffer` made; a second time does nothing. */
  destroyBuffer(buffer: GPUBuffer): void {
    const size = this.#buffers.get(buffer);
    if (size === undefined) return;
    this.#buffers.delete(buffer);
    this.#liveBytes -= size;
    buffer.destroy();
  }

  /**
   * Runs `make` (which must call the device before its first await) and throws what the device found wrong with it as an
   * `AdapterError` that carries `label`.
   */
  async validated<T>(label: string, make: () => T | Promise<T>): Promise<T> {
    const filters = ['validation', 'out-of-memory', 'internal'] as const;
    for (const filter of filters) this.device.pushErrorScope(filter);
    const scopes: Promise<GPUError | null>[] = [];
    let made: T | Promise<T>;
    try {
      made = make();
      // The scopes tell it better than the promise does, and sooner than anybody awaits the promise.
      if (made instanceof Promise) made.catch(() => undefined);
    } finally {
      for (const _ of filters) scopes.push(this.device.popErrorScope());
    }
    const errors = await Promise.all(scopes);
    const error = errors.find((found) => found !== null);
    if (error) throw new AdapterError(`${label}: the adapter "${this.description.name}" reports: ${error.message}`);
    return await made;
  }

  /** Waits for the work submitted so far; throws an error that came outside of every `validated`. */
  async finished(): Promise<void> {
    await this.device.queue.onSubmittedWorkDone();
    const error = this.#uncaptured;
    this.#uncaptured = undefined;
    if (error) throw error;
  }

  /** Destroys every buffer and gives the device back. A second time does nothing. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const buffer of [...this.#buffers.keys()]) this.destroyBuffer(buffer);
    this.device.destroy();
  }
}
