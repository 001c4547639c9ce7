import { type FileHandle, open } from 'node:fs/promises';
import { CheckpointError, type HostTensor } from '@alex/tensor';
import { elementCount } from '@alex/tensor/kernels';
import protobuf from 'protobufjs/minimal.js';
import { describeFileError, readAll } from './file.js';

/** Numbers of the fields in use, from `caffe.proto`. */
export const caffeFields = {
  /**
   * `NetParameter`: until 2014, `layers` contained `V1LayerParameter`s; since then, `layer` contains `LayerParameter`s.
   */
  network: { name: 1, layers: 2, layer: 100 },
  oldLayer: { layer: 1, name: 4, type: 5, blobs: 6 },
  layer: { name: 1, type: 2, blobs: 7 },
  blob: { num: 1, channels: 2, height: 3, width: 4, data: 5, diff: 6, shape: 7, doubleData: 8, doubleDiff: 9 },
  shape: { dim: 1 },
} as const;

/** `V1LayerParameter.LayerType`, as far as the order of these layers matters. */
const OLD_TYPES: Readonly<Record<number, string>> = {
  4: 'Convolution',
  6: 'Dropout',
  14: 'InnerProduct',
  15: 'LRN',
  17: 'Pooling',
  18: 'ReLU',
};

/** A layer of a Caffe network. */
export interface CaffeLayer {
  readonly name: string;
  /** `Convolution`, `LRN`, `Pooling`; a number for the other types of the old format. */
  readonly type: string;
}

/** The contents of a `.caffemodel`. */
export interface Caffemodel {
  /** For example `AlexNet`; empty if the file has no name. */
  readonly name: string;
  /** In order, including those without weights. */
  readonly layers: readonly CaffeLayer[];
  /** `LAYER.weight`, `LAYER.bias`; with the shapes of the file: four sizes each in files of 2014. */
  readonly tensors: Record<string, HostTensor>;
}

/** The names of the blobs of Caffe's layers, in order. */
export const blobNames = ['weight', 'bias'];

/** Longer fields are read directly to their destination, not through the window. */
const WINDOW = 2 ** 16;
/** Enough for a tag and a length, or a tag and a number. */
const LONGEST_HEAD = 20;

/**
 * Reads a `.caffemodel` (a `NetParameter` of Caffe). Besides the numbers themselves, it needs some kilobytes of memory.
 *
 * @throws CheckpointError with the file and what is wrong with it: missing, truncated, of an unknown format or of
 * another type
 */
export async function readCaffemodel(path: string): Promise<Caffemodel> {
  return withMessage(path, 'caffemodel', async (message) => {
    const tensors: Record<string, HostTensor> = {};
    const all: CaffeLayer[] = [];
    let network = '';
    for await (const field of message.fields()) {
      if (field.bytes === undefined) continue;
      const { name, layers, layer } = caffeFields.network;
      if (field.number === name) network = (await field.bytes.read()).toString('utf8');
      if (field.number === layers) all.push(await readLayer(field.bytes, caffeFields.oldLayer, tensors));
      if (field.number === layer) all.push(await readLayer(field.bytes, caffeFields.layer, tensors));
    }
    if (Object.keys(tensors).length === 0) message.fail('it contains no layers with weights');
    return { name: network, layers: all, tensors };
  });
}

/**
 * Reads a mean image of Caffe, such as `imagenet_mean.binaryproto`: one blob.
 *
 * @throws CheckpointError as {@link readCaffemodel} does
 */
export async function readCaffeMean(path: string): Promise<HostTensor> {
  return withMessage(path, 'Caffe mean image', (message) => readBlob(message, 'the mean'));
}

async function readLayer(
  message: Message,
  numbers: typeof caffeFields.layer | typeof caffeFields.oldLayer,
  tensors: Record<string, HostTensor>,
): Promise<CaffeLayer> {
  let name = '';
  let type = '';
  const blobs: Message[] = [];
  for await (const field of message.fields()) {
    if (field.number === numbers.type) {
      type = field.bytes ? (await field.bytes.read()).toString('utf8') : (OLD_TYPES[field.value] ?? `${field.value}`);
    }
    if (field.bytes === undefined) continue;
    if (field.number === numbers.name) name = (await field.bytes.read()).toString('utf8');
    if (field.number === numbers.blobs) blobs.push(field.bytes);
    if ('layer' in numbers && field.number === numbers.layer) {
      message.fail('it has the oldest format; convert it with upgrade_net_proto_binary of Caffe first');
    }
  }
  for (const [index, blob] of blobs.entries()) {
    const tensor = `${name}.${blobNames[index] ?? `blob${index}`}`;
    if (Object.hasOwn(tensors, tensor)) message.fail(`it contains ${tensor} twice`);
    tensors[tensor] = await readBlob(blob, tensor);
  }
  return { name, type };
}

async function readBlob(message: Message, name: string): Promise<HostTensor> {
  const { num, channels, height, width, data, diff, shape, doubleData, doubleDiff } = caffeFields.blob;
  const oldSizes: Record<number, number> = {};
  let sizes: number[] | undefined;
  const runs: { bytes: Message; width: 4 | 8 }[] = [];
  const single: number[] = [];
  for await (const field of message.fields()) {
    if ([num, channels, height, width].some((number) => number === field.number)) oldSizes[field.number] = field.value;
    else if (field.number === shape && field.bytes) sizes = await readShape(field.bytes);
    else if (field.number === data && field.bytes) runs.push({ bytes: field.bytes, width: 4 });
    else if (field.number === doubleData && field.bytes) runs.push({ bytes: field.bytes, width: 8 });
    // Numbers may also be stored one by one.
    else if (field.number === data || field.number === doubleData) single.push(field.value);
    else if (field.number !== diff && field.number !== doubleDiff) {
      message.fail(`${name} has a field ${field.number}, which Caffe blobs do not have`);
    }
  }
  const old = [num, channels, height, width].map((number) => oldSizes[number] ?? 0);
  const dimensions = sizes ?? old;
  const length = runs.reduce((sum, run) => sum + run.bytes.length / run.width, single.length);
  if (dimensions.length === 0 || elementCount(dimensions) !== length) {
    message.fail(`${name} has the shape [${dimensions.join(', ')}], which its ${length} numbers do not fit`);
  }
  const values = new Float32Array(length);
  let at = 0;
  for (const run of runs) {
    const count = run.bytes.length / run.width;
    await run.bytes.readNumbers(values.subarray(at, at + count), run.width);
    at += count;
  }
  values.set(single, at);
  return { shape: dimensions, data: values };
}

async function readShape(message: Message): Promise<number[]> {
  const dimensions: number[] = [];
  for await (const field of message.fields()) {
    if (field.number !== caffeFields.shape.dim) continue;
    if (field.bytes === undefined) dimensions.push(field.value);
    else {
      const reader = protobuf.Reader.create(await field.bytes.read());
      while (reader.pos < reader.len) dimensions.push(Number(reader.int64()));
    }
  }
  return dimensions;
}

async function withMessage<Result>(
  path: string,
  kind: string,
  use: (message: Message) => Promise<Result>,
): Promise<Result> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw new CheckpointError(`${path}: could not be read: ${describeFileError(error)}`, { cause: error });
  });
  try {
    const { size } = await file.stat();
    return await use(new Message(new WindowedFile(file), { path, kind }, 0, size));
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    throw new CheckpointError(`${path}: could not be read: ${describeFileError(error)}`, { cause: error });
  } finally {
    await file.close();
  }
}

/** One field of a message: a number, or bytes that are a message, a text or packed numbers. */
interface Field {
  readonly number: number;
  readonly value: number;
  readonly bytes?: Message;
}

/** A protobuf message that stays in its file: protobuf.js would need all of it in memory at once. */
class Message {
  readonly #file: WindowedFile;
  readonly #what: { readonly path: string; readonly kind: string };
  readonly #begin: number;
  readonly #end: number;

  constructor(file: WindowedFile, what: { path: string; kind: string }, begin: number, end: number) {
    this.#file = file;
    this.#what = what;
    this.#begin = begin;
    this.#end = end;
  }

  /** In bytes. */
  get length(): number {
    return this.#end - this.#begin;
  }

  async *fields(): AsyncGenerator<Field, void, undefined> {
    for (let position = this.#begin; position < this.#end; ) {
      const head = await this.#file.at(position, Math.min(LONGEST_HEAD, this.#end - position));
      const reader = protobuf.Reader.create(head);
      let field: Field;
      let bytes = 0;
      try {
        const tag = reader.uint32();
        const number = tag >>> 3;
        if (number === 0) throw new Error('no field has the number 0');
        switch (tag & 7) {
          case 0:
            field = { number, value: Number(reader.int64()) };
            break;
          case 1:
            field = { number, value: reader.double() };
            break;
          case 2: {
            bytes = reader.uint32();
            const begin = position + reader.pos;
            field = { number, value: Number.NaN, bytes: new Message(this.#file, this.#what, begin, begin + bytes) };
            break;
          }
          case 5:
            field = { number, value: reader.float() };
            break;
          default:
            throw new Error(`no field has the type ${tag & 7}`);
        }
      } catch (error) {
        const cut = error instanceof RangeError && head.length < LONGEST_HEAD;
        return this.fail(cut ? 'it is truncated' : `no protobuf field begins at its byte ${position}`);
      }
      position += reader.pos + bytes;
      if (position > this.#end) {
        this.fail(
          `its field ${field.number} ends ${position - this.#end} bytes too late: it is truncated, or not a protobuf message`,
        );
      }
      yield field;
    }
  }

  /** The whole content; for names and other short fields. */
  async read(): Promise<Buffer> {
    if (this.length > WINDOW) this.fail(`a name or shape cannot have ${this.length} bytes`);
    return Buffer.from(await this.#file.at(this.#begin, this.length));
  }

  /** Packed little-endian floats of 4 or 8 bytes. */
  async readNumbers(values: Float32Array, width: 4 | 8): Promise<void> {
    if (width === 4) {
      await this.#file.read(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), this.#begin);
      return;
    }
    for (let done = 0; done < values.length; done += WINDOW / 8) {
      const count = Math.min(WINDOW / 8, values.length - done);
      const bytes = Buffer.from(await this.#file.at(this.#begin + 8 * done, 8 * count));
      for (let i = 0; i < count; i++) values[done + i] = bytes.readDoubleLE(8 * i);
    }
  }

  fail(defect: string): never {
    throw new CheckpointError(`${this.#what.path}: not a usable ${this.#what.kind}: ${defect}`);
  }
}

/** A file with a cached window, so that reading small fields in sequence takes few system calls. */
class WindowedFile {
  readonly #file: FileHandle;
  readonly #buffer = Buffer.alloc(WINDOW);
  #begin = 0;
  #length = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Bytes that are valid until the next call; at most a window. */
  async at(position: number, length: number): Promise<Buffer> {
    if (position < this.#begin || position + length > this.#begin + this.#length) {
      this.#begin = position;
      this.#length = (await this.#file.read(this.#buffer, 0, WINDOW, position)).bytesRead;
    }
    const start = position - this.#begin;
    return this.#buffer.subarray(start, Math.min(start + length, this.#length));
  }

  async read(bytes: Uint8Array, position: number): Promise<void> {
    if (!(await readAll(this.#file, bytes, position))) throw new Error('the file became shorter while it was read');
  }
}
