import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { CheckpointError, type HostTensor } from '@alex/tensor';
import { checkHostTensor, elementCount, fromHalves, optionError } from '@alex/tensor/kernels';
import * as v from 'valibot';
import { describeFileError, readAll, writeAll, writeWhole } from './file.js';

/** The contents of a safetensors file. */
export interface SafetensorsFile {
  /** By name, row-major in their shape. */
  readonly tensors: Record<string, HostTensor>;
  /** The writer's own metadata. */
  readonly metadata: Record<string, string>;
  /** Names of integer tensors, such as counters, which are not read. */
  readonly wholeNumbers: readonly string[];
  /** Whether the file had a checksum, which was correct. */
  readonly checked: boolean;
}

/** The largest header that the reference reader of the format accepts, in bytes. */
const LARGEST_HEADER = 100_000_000;
const LENGTH_BYTES = 8;
const METADATA = '__metadata__';
/** The metadata key of the checksum: SHA-256 of all bytes of the file, with its own digits read as zeros. */
const CHECKSUM = 'sha256';
const NO_CHECKSUM = '0'.repeat(64);
/** Amount written, read or hashed at a time, in bytes; other tasks run in between. */
const PIECE = 4 * 2 ** 20;

const sizeSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const entrySchema = v.strictObject({
  dtype: v.string(),
  shape: v.array(sizeSchema),
  data_offsets: v.tuple([sizeSchema, sizeSchema]),
});
const metadataSchema = v.record(v.string(), v.string());

/**
 * Writes tensors as a safetensors file, atomically and sorted by name, so the same tensors give the same bytes. A
 * checksum of the whole file is added to its metadata.
 *
 * @param tensors float32, row-major in their shape, by name
 * @param metadata additional information for readers of the file
 * @throws ConfigError for tensors or metadata that are none, CheckpointError if the file cannot be written, ShapeError if shape and data of a tensor disagree
 */
export async function writeSafetensors(
  path: string,
  tensors: Readonly<Record<string, HostTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  if (typeof tensors !== 'object' || tensors === null) {
    throw optionError(path, 'tensors', 'an object of tensors by their names', tensors);
  }
  // Readers of the format refuse anything but texts.
  for (const [name, value] of Object.entries(metadata)) {
    if (typeof value !== 'string') throw optionError(path, `metadata.${name}`, 'a text', value);
  }
  const names = Object.keys(tensors).sort();
  const header: Record<string, unknown> = {};
  const notes = Object.entries({ ...metadata, [CHECKSUM]: NO_CHECKSUM }).sort(([one], [other]) =>
    one < other ? -1 : 1,
  );
  header[METADATA] = Object.fromEntries(notes);
  let offset = 0;
  for (const name of names) {
    const tensor = tensors[name]!;
    if (name === METADATA) throw new CheckpointError(`${path}: a tensor may not be called ${METADATA}`);
    checkHostTensor(`${path}: ${name}`, tensor);
    const end = offset + tensor.data.byteLength;
    header[name] = { dtype: 'F32', shape: tensor.shape, data_offsets: [offset, end] };
    offset = end;
  }
  const text = Buffer.from(JSON.stringify(header), 'utf8');
  // Spaces after the header align the numbers to a multiple of eight, which lets readers map the file into memory.
  const start = Buffer.alloc(LENGTH_BYTES + Math.ceil(text.length / 8) * 8, ' ');
  start.writeBigUInt64LE(BigInt(start.length - LENGTH_BYTES));
  text.copy(start, LENGTH_BYTES);
  try {
    await writeWhole(path, async (file) => {
      const hash = createHash('sha256').update(start);
      let position = start.length;
      for (const name of names) {
        const { data } = tensors[name]!;
        for (let at = 0; at < data.byteLength; at += PIECE) {
          const piece = new Uint8Array(data.buffer, data.byteOffset + at, Math.min(PIECE, data.byteLength - at));
          hash.update(piece);
          await writeAll(file, piece, position);
          position += piece.length;
        }
      }
      start.write(hash.digest('hex'), start.indexOf(`"${CHECKSUM}":"${NO_CHECKSUM}"`) + CHECKSUM.length + 4, 'latin1');
      await writeAll(file, start, 0);
    });
  } catch (error) {
    throw new CheckpointError(`${path}: could not be written: ${describeFileError(error)}`, { cause: error });
  }
}

/**
 * Reads a safetensors file as float32 tensors and checks everything that the file says about itself, including its
 * checksum if it has one. F16 and BF16 tensors are converted to float32 exactly, one piece at a time. They occur in
 * published weights: files written here, including checkpoints, are always F32. If another program converts a
 * checkpoint to 16 bits, the checksum is missing or wrong, and `readCheckpoint` refuses it.
 *
 * @throws CheckpointError with the file and what is wrong with it: missing, truncated, of an unknown format or of
 * another type
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw new CheckpointError(`${path}: could not be read: ${describeFileError(error)}`, { cause: error });
  });
  try {
    const { size } = await file.stat();
    const lengthBytes = Buffer.alloc(LENGTH_BYTES);
    if (!(await readAll(file, lengthBytes, 0))) fail(path, `its ${size} bytes are too few for a safetensors file`);
    const headerBytes = Number(lengthBytes.readBigUInt64LE());
    if (headerBytes > LARGEST_HEADER) fail(path, 'it does not begin like a safetensors file');
    const header = Buffer.alloc(headerBytes);
    if (!(await readAll(file, header, LENGTH_BYTES))) fail(path, 'it ends inside its header');
    const { entries, metadata } = parseHeader(path, header);
    const start = LENGTH_BYTES + headerBytes;
    const { [CHECKSUM]: checksum, ...notes } = metadata;
    const hash = createHash('sha256').update(lengthBytes).update(withoutChecksum(header, checksum));
    const tensors: Record<string, HostTensor> = {};
    let position = 0;
    for (const { name, shape, begin, end, toFloats, isWhole } of entries) {
      if (begin !== position) {
        fail(
          path,
          `${name} begins at byte ${begin} of the numbers, ${begin < position ? 'inside' : 'past the end of'} the tensor before it`,
        );
      }
      if (start + end > size)
        fail(path, `${name} needs ${start + end} bytes, but the file has ${size}: it is truncated`);
      position = end;
      const data = new Float32Array(isWhole ? 0 : elementCount(shape));
      for (let at = begin; at < end; at += PIECE) {
        const bytes = Math.min(PIECE, end - at);
        // Float32 values are read directly to their destination.
        const piece = toFloats || isWhole ? new Uint8Array(bytes) : new Uint8Array(data.buffer, at - begin, bytes);
        if (!(await readAll(file, piece, start + at))) fail(path, `it ends inside ${name}`);
        if (checksum !== undefined) hash.update(piece);
        if (toFloats) data.set(toFloats(new Uint16Array(piece.buffer)), (at - begin) / 2);
      }
      if (!isWhole) tensors[name] = { shape, data };
    }
    if (start + position !== size) fail(path, `${size - start - position} bytes follow its last tensor`);
    if (checksum !== undefined && hash.digest('hex') !== checksum) {
      fail(path, 'its checksum is wrong: a part of it was damaged or changed');
    }
    const wholeNumbers = entries.filter(({ isWhole }) => isWhole).map(({ name }) => name);
    return { tensors, metadata: notes, wholeNumbers, checked: checksum !== undefined };
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    throw new CheckpointError(`${path}: could not be read: ${describeFileError(error)}`, { cause: error });
  } finally {
    await file.close();
  }
}

/** The header as it was hashed: with zeros in place of the checksum. */
function withoutChecksum(header: Buffer, checksum: string | undefined): Buffer {
  const at = checksum === undefined ? -1 : header.indexOf(`"${CHECKSUM}":"${checksum}"`);
  if (at < 0) return header;
  const zeroed = Buffer.from(header);
  zeroed.fill('0', at + CHECKSUM.length + 4, at + CHECKSUM.length + 4 + checksum!.length);
  return zeroed;
}

interface Entry {
  readonly name: string;
  readonly shape: number[];
  readonly begin: number;
  readonly end: number;
  readonly toFloats: ToFloats | undefined;
  readonly isWhole: boolean;
}

type ToFloats = (bits: Uint16Array) => Float32Array;

/** The supported types, and how each is converted to float32, which represents all 16-bit values exactly. */
const types: Readonly<
  Record<string, { readonly bytes: number; readonly toFloats?: ToFloats; readonly isWhole?: true }>
> = {
  F32: { bytes: 4 },
  F16: { bytes: 2, toFloats: fromHalves },
  BF16: { bytes: 2, toFloats: fromUpperHalves },
  // Networks do not learn these: `num_batches_tracked`, the number of an epoch.
  ...Object.fromEntries(
    Object.entries({ BOOL: 1, U8: 1, I8: 1, U16: 2, I16: 2, U32: 4, I32: 4, U64: 8, I64: 8 }).map(([name, bytes]) => [
      name,
      { bytes, isWhole: true as const },
    ]),
  ),
};

/** BF16 is the upper half of a float32. */
function fromUpperHalves(halves: Uint16Array): Float32Array {
  const words = new Uint32Array(halves.length);
  // Not Uint32Array.from, which first makes a list of all numbers: twelve times as slow, and 50 MB per piece.
  for (let i = 0; i < halves.length; i++) words[i] = halves[i]! << 16;
  return new Float32Array(words.buffer);
}

/** The tensors in the order of their offsets. */
function parseHeader(path: string, header: Buffer): { entries: Entry[]; metadata: Record<string, string> } {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(header));
  } catch {
    fail(path, 'its header is not JSON');
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) fail(path, 'its header is not a JSON object');
  const metadata = v.safeParse(metadataSchema, (json as Record<string, unknown>)[METADATA] ?? {});
  if (!metadata.success) fail(path, 'its metadata values are not strings');
  const entries = Object.entries(json)
    .filter(([name]) => name !== METADATA)
    .map(([name, value]): Entry => {
      const entry = v.safeParse(entrySchema, value);
      if (!entry.success) fail(path, `its header entry for ${name} is not a type, a shape and two offsets`);
      const { dtype, shape, data_offsets } = entry.output;
      const [begin, end] = data_offsets;
      const type = Object.hasOwn(types, dtype) ? types[dtype] : undefined;
      if (!type) fail(path, `${name} contains ${dtype}; only F32, F16 and BF16 are supported, convert it first`);
      if (end - begin !== type.bytes * elementCount(shape)) {
        fail(path, `${name} has shape [${shape.join(', ')}], which its ${end - begin} bytes do not fit`);
      }
      return { name, shape, begin, end, toFloats: type.toFloats, isWhole: type.isWhole ?? false };
    })
    // Empty tensors share their offset with the one that follows, so they come first.
    .sort((one, other) => one.begin - other.begin || one.end - other.end);
  return { entries, metadata: metadata.output };
}

function fail(path: string, defect: string): never {
  throw new CheckpointError(`${path}: not a usable weights file: ${defect}`);
}
