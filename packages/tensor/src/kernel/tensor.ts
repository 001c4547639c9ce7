import type { Gpu } from '../adapter/gpu.js';
import { ConfigError, ShapeError } from '../errors.js';
import { checkGpu, checkOneOf, checkOptions } from '../option-checks.js';
import { type GPUBuffer, GPUBufferUsage, type GPUCommandEncoder, GPUMapMode } from '../platform/webgpu.js';
import { elementCount, formatShape, kindOfArray, type Shape } from '../shape.js';
import { fromHalves, toHalves } from './half.js';

/** How values are stored; kernels load and store an `f16` as an f32. */
export const dataTypes = ['f32', 'f16', 'u32'] as const;
export type DataType = (typeof dataTypes)[number];

export function bytesPerElement(dataType: DataType): number {
  return dataType === 'f16' ? 2 : 4;
}

/** Bytes of memory for a tensor: whole words, and at least one, as buffers and bindings require. */
export function bytesOf({ elements, dataType }: Pick<Tensor, 'elements' | 'dataType'>): number {
  return Math.max(4, 4 * Math.ceil((elements * bytesPerElement(dataType)) / 4));
}

/** The largest binding in bytes, rounded down to a boundary where another binding may begin. */
export function bytesPerBinding(gpu: Gpu): number {
  const alignment = gpu.limits.minStorageBufferOffsetAlignment;
  return Math.floor(gpu.bindingBytes / alignment) * alignment;
}

/**
 * A tensor on an adapter, as the recorder knows it: a name and a shape.
 *
 * Activations (`[N, C, H, W]`, `[N, F]`) are stored with the image as the fastest index: `[C, H, W, N]`, `[F, N]`.
 * Parameters are row-major in their own shape. See `docs/layout.md`.
 */
export interface Tensor {
  readonly label: string;
  readonly shape: Shape;
  readonly elements: number;
  readonly dataType: DataType;
  /** A tensor that this one may overwrite if nothing reads it later (for elementwise operations in place). */
  readonly mayReuse?: Tensor | undefined;
  /**
   * Whether it has memory of its own that outlives a step (parameters, the input, results); a plan places the others.
   */
  readonly lasting?: boolean;
  /** The memory of a lasting tensor. Without it, the tensor can be planned around but not used. */
  readonly buffer?: GPUBuffer;
}

export interface TensorOptions {
  /** Default: `f32`. */
  readonly dataType?: DataType;
}

/** The result of {@link createTensor} without memory: for plans. */
export function describeTensor(label: string, shape: Shape, options: TensorOptions = {}): Tensor {
  checkOptions(label, options, ['dataType']);
  const { dataType = 'f32' } = options;
  checkOneOf(label, 'dataType', dataType, dataTypes);
  return { label, shape, elements: elementCount(shape), dataType, lasting: true };
}

/**
 * Creates a tensor with its own memory on the adapter, all zero. Free it with {@link disposeTensor}.
 *
 * @throws ShapeError for an invalid shape; ConfigError for an unknown option; MemoryError if the adapter has too little memory
 */
export function createTensor(gpu: Gpu, label: string, shape: Shape, options: TensorOptions = {}): Tensor {
  checkGpu(label, gpu);
  if (!Array.isArray(shape) || !shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    const got = Array.isArray(shape) ? formatShape(shape) : String(shape);
    throw new ShapeError(`${label}: a shape is an array of whole numbers of at least 0, got ${got}`);
  }
  const tensor = describeTensor(label, shape, options);
  const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
  const buffer = gpu.createBuffer({ label, size: bytesOf(tensor), usage: STORAGE | COPY_SRC | COPY_DST });
  return { ...tensor, buffer };
}

/**
 * Frees a tensor made by {@link createTensor}.
 *
 * @throws ConfigError for what is no adapter; ShapeError for what is no tensor
 */
export function disposeTensor(gpu: Gpu, tensor: Tensor): void {
  checkTensor(tensor);
  checkGpu(tensor.label, gpu);
  gpu.destroyBuffer(bufferOf(tensor));
}

/**
 * Copies values to the adapter, in their order in memory.
 *
 * @throws ShapeError if their number differs from the tensor's, or they are of another type: a `Uint32Array` for `u32`,
 * a `Float32Array` for `f32` and `f16`
 */
export function writeTensor(gpu: Gpu, tensor: Tensor, values: Float32Array | Uint32Array): void {
  checkTensor(tensor);
  checkGpu(tensor.label, gpu);
  const kind = tensor.dataType === 'u32' ? 'Uint32Array' : 'Float32Array';
  if (kindOfArray(values) !== kind) {
    throw new ShapeError(
      `${tensor.label}: holds ${tensor.dataType} values, give a ${kind}; got ${kindOfArray(values)}`,
    );
  }
  if (values.length !== tensor.elements) {
    throw new ShapeError(
      `${tensor.label}: holds ${tensor.elements} values ${formatShape(tensor.shape)}, got ${values.length}`,
    );
  }
  // The queue crashes on shared memory, whose class most pages lack.
  const isShared = Object.prototype.toString.call(values.buffer) === '[object SharedArrayBuffer]';
  const unshared = isShared ? values.slice() : values;
  const stored = tensor.dataType === 'f16' ? toHalves(unshared) : unshared;
  gpu.device.queue.writeBuffer(bufferOf(tensor), 0, stored.buffer, stored.byteOffset, stored.byteLength);
}

/** Copies the values of a tensor from the adapter, in their order in memory. */
export async function readTensor(gpu: Gpu, tensor: Tensor): Promise<Values> {
  checkTensor(tensor);
  checkGpu(tensor.label, gpu);
  const [values] = await readTensors(gpu, [tensor]);
  return values!;
}

/**
 * Largest piece of a long read, in bytes: reused staging memory costs only the copy, fresh memory several times as
 * much.
 */
const mostBytesOfPiece = 2 ** 24;

/** The memory that {@link readTensors} takes on the adapter for this many bytes: one piece, or two in turns. */
export function bytesToRead(bytes: number): number {
  return bytes <= mostBytesOfPiece ? bytes : 2 * mostBytesOfPiece;
}

/** A part of a tensor's memory, and its position in its piece. */
interface Passage {
  readonly tensor: number;
  readonly from: number;
  readonly at: number;
  readonly bytes: number;
}

/**
 * Copies the values of several tensors from the adapter, piece by piece; they must not change in the meantime. It uses
 * two pieces of at most 16 MiB on the adapter, however much is read.
 */
export async function readTensors(gpu: Gpu, tensors: readonly Tensor[]): Promise<Values[]> {
  const values = tensors.map(({ dataType, elements }) =>
    dataType === 'u32' ? new Uint32Array(elements) : new Float32Array(elements),
  );
  const pieces = cutIntoPieces(tensors.map(bytesOf));
  const size = Math.max(4, ...pieces.map((piece) => piece.reduce((sum, { bytes }) => sum + bytes, 0)));
  const stagings: GPUBuffer[] = [];
  try {
    const submit = (piece: readonly Passage[], staging: GPUBuffer) => {
      const encoder = gpu.device.createCommandEncoder();
      for (const { tensor, from, at, bytes } of piece) {
        encoder.copyBufferToBuffer(bufferOf(tensors[tensor]!), from, staging, at, bytes);
      }
      gpu.device.queue.submit([encoder.finish()]);
      return piece;
    };
    const take = (piece: readonly Passage[], staging: GPUBuffer) =>
      whileMapped(gpu, staging, (mapped) => {
        for (const { tensor, from, at, bytes } of piece) {
          const { dataType, elements } = tensors[tensor]!;
          const first = from / bytesPerElement(dataType);
          const count = Math.min(elements - first, bytes / bytesPerElement(dataType));
          values[tensor]!.set(viewOf(dataType, count, mapped, at), first);
        }
      });
    for (let index = 0; index < Math.min(2, pieces.length); index++) {
      stagings.push(gpu.createBuffer({ label: 'values in transit to the host', size, usage: readableUsage() }));
      submit(pieces[index]!, stagings[index]!);
    }
    for (const [index, piece] of pieces.entries()) {
      const staging = stagings[index % 2]!;
      await take(piece, staging);
      const next = pieces[index + 2];
      if (next) submit(next, staging);
    }
  } finally {
    for (const staging of stagings) gpu.destroyBuffer(staging);
  }
  return values;
}

/** The parts of tensors with these sizes, in consecutive pieces that are as full as possible. */
function cutIntoPieces(sizes: readonly number[]): Passage[][] {
  const pieces: Passage[][] = [];
  let left = 0;
  for (const [tensor, size] of sizes.entries()) {
    for (let from = 0; from < size; ) {
      if (left === 0) {
        pieces.push([]);
        left = mostBytesOfPiece;
      }
      const bytes = Math.min(left, size - from);
      pieces.at(-1)!.push({ tensor, from, at: mostBytesOfPiece - left, bytes });
      from += bytes;
      left -= bytes;
    }
  }
  return pieces;
}

const readableUsage = () => GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;

/** Waits for the last submission that uses this buffer, but not for later ones, and uses its bytes. */
async function whileMapped<Result>(gpu: Gpu, staging: GPUBuffer, use: (bytes: ArrayBuffer) => Result): Promise<Result> {
  await staging.mapAsync(GPUMapMode.READ).catch(async (error: unknown) => {
    gpu.check();
    throw await gpu.explain(error);
  });
  try {
    gpu.check();
    return use(staging.getMappedRange());
  } finally {
    staging.unmap();
  }
}

/** The values of one tensor, in their order in memory. */
export type Values = Float32Array | Uint32Array;

/** Reads the same tensors repeatedly through one buffer allocated in advance. */
export interface Readback {
  /** Encodes a copy of the tensors as a part of a submission. The previous copy must have been taken. */
  encode(encoder: GPUCommandEncoder): void;
  /** Waits for the submission of the last `encode`. The values are valid only within `use`, which must not be async. */
  take<Result>(use: (values: Values[]) => Result): Promise<Result>;
  /** Copies the tensors once everything submitted so far is done. */
  read(): Promise<Values[]>;
  dispose(): void;
}

/** Creates a {@link Readback} of tensors that have memory of their own. */
export function createReadback(gpu: Gpu, tensors: readonly Tensor[]): Readback {
  const offsets: number[] = [];
  let size = 0;
  for (const tensor of tensors) {
    offsets.push(size);
    size += bytesOf(tensor);
  }
  const staging = gpu.createBuffer({
    label: `readback of ${tensors.map((tensor) => tensor.label).join(', ')}`.slice(0, 200),
    size: Math.max(4, size),
    usage: readableUsage(),
  });
  let disposed = false;
  const readback: Readback = {
    encode(encoder) {
      tensors.forEach((tensor, index) => {
        encoder.copyBufferToBuffer(bufferOf(tensor), 0, staging, offsets[index]!, bytesOf(tensor));
      });
    },
    async take(use) {
      // Mapping a destroyed buffer would be an error of the adapter, reported to the next user of the adapter.
      if (disposed) throw new ConfigError('these values were disposed before they were read');
      return whileMapped(gpu, staging, (bytes) =>
        use(tensors.map(({ dataType, elements }, index) => viewOf(dataType, elements, bytes, offsets[index]!))),
      );
    },
    read() {
      const encoder = gpu.device.createCommandEncoder();
      readback.encode(encoder);
      gpu.device.queue.submit([encoder.finish()]);
      return readback.take((values) => values.map((view) => view.slice()));
    },
    dispose() {
      disposed = true;
      gpu.destroyBuffer(staging);
    },
  };
  return readback;
}

function checkTensor(tensor: Tensor): void {
  if (typeof tensor?.label === 'string') return;
  throw new ShapeError(`a tensor is what createTensor() gave, got ${String(tensor)}`);
}

/** The memory of a tensor that has its own. */
export function bufferOf(tensor: Tensor): GPUBuffer {
  if (!tensor.buffer) throw new ShapeError(`${tensor.label} has no memory of its own; only a program can access it`);
  return tensor.buffer;
}

function viewOf(dataType: Tensor['dataType'], elements: number, bytes: ArrayBuffer, offset: number): Values {
  if (dataType === 'f16') return fromHalves(new Uint16Array(bytes, offset, elements));
  return dataType === 'f32' ? new Float32Array(bytes, offset, elements) : new Uint32Array(bytes, offset, elements);
}
