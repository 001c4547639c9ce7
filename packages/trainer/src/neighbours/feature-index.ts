import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AlexError, ConfigError, DataError } from '@alex/tensor';
import { elementCount } from '@alex/tensor/kernels';
import { describeFileError, errorCode, readAll, syncDirectory, writeAll } from '../file.js';
import { lockRun, type RunLock } from '../run-lock.js';
import { checkDescription, encodeHeader, type IndexDescription, readHeader } from './index-header.js';
import { StoredRow } from './stored-row.js';

/** What is added to the name of an index while it is built. */
export const building = '.building';
/** So much is checked at a time. */
const pieceBytes = 2 ** 24;

/**
 * A finished index of features on disk: one row of 16-bit values for each image of a split, in its order. It is read a piece
 * at a time, whatever its size, and every row that is read is checked.
 */
export class FeatureIndex {
  readonly path: string;
  readonly description: IndexDescription;
  /** How its rows lie. */
  readonly row: StoredRow;
  readonly #file: FileHandle;
  readonly #start: number;

  private constructor(path: string, file: FileHandle, description: IndexDescription, start: number) {
    this.path = path;
    this.#file = file;
    this.description = description;
    this.row = new StoredRow(elementCount(description.shape));
    this.#start = start;
  }

  /**
   * @throws ConfigError where there is none; DataError where it is something else, or was cut off; AlexError where it cannot be
   * read
   */
  static async open(path: string): Promise<FeatureIndex> {
    const file = await open(path, 'r').catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT')
        throw new ConfigError(`${path}: there is no index of features here; build it first`);
      throw new AlexError(`${path}: could not be read: ${describeFileError(error)}`, { cause: error });
    });
    try {
      const { bytes: start, ...description } = await readHeader(path, file);
      const index = new FeatureIndex(path, file, description, start);
      const { size } = await file.stat();
      const wanted = start + description.rows * index.row.bytes;
      if (size !== wanted) throw new DataError(`${path}: has ${size} bytes instead of ${wanted}; build it again`);
      return index;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * Reads successive rows to the beginning of `target`.
   *
   * @throws DataError that names the first one that is not as it was written
   */
  async read(first: number, count: number, target: Uint8Array): Promise<void> {
    const bytes = target.subarray(0, count * this.row.bytes);
    const isThere = await readAll(this.#file, bytes, this.#start + first * this.row.bytes).catch((error: unknown) => {
      throw new AlexError(`${this.path}: could not be read: ${describeFileError(error)}`, { cause: error });
    });
    if (!isThere) throw new DataError(`${this.path}: was cut off while it was read; build it again`);
    for (let i = 0; i < count; i++) {
      if (!this.row.isWhole(bytes, i * this.row.bytes)) {
        throw new DataError(`${this.path}: row ${first + i} was damaged (its check sum is another); build it again`);
      }
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/**
 * An index that is being built, in a file of its own beside the finished one: a finished index is never half. What was
 * interrupted, even by a power failure, is continued from the last row that is whole.
 */
export class FeatureIndexWriter {
  readonly description: IndexDescription;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #lock: RunLock;
  readonly #start: number;
  readonly #row: StoredRow;
  #rows: number;

  private constructor(
    path: string,
    description: IndexDescription,
    opened: { file: FileHandle; lock: RunLock; start: number; row: StoredRow; rows: number },
  ) {
    this.#path = path;
    this.description = description;
    this.#file = opened.file;
    this.#lock = opened.lock;
    this.#start = opened.start;
    this.#row = opened.row;
    this.#rows = opened.rows;
  }

  /**
   * Begins an index, or continues one that was begun with the same description.
   *
   * @throws ConfigError where another process builds it; AlexError where it cannot be written
   */
  static async open(path: string, description: IndexDescription): Promise<FeatureIndexWriter> {
    checkDescription(path, description);
    const place = path + building;
    const header = encodeHeader(description);
    const row = new StoredRow(elementCount(description.shape));
    const file = await mkdir(dirname(path))
      .catch(() => undefined)
      .then(() => open(place, constants.O_RDWR | constants.O_CREAT))
      .catch((error: unknown) => {
        throw cannotWrite(place, error);
      });
    try {
      const lock = await lockFolder(path);
      try {
        const begun = Buffer.alloc(header.length);
        const isSame = (await readAll(file, begun, 0)) && begun.equals(header);
        const rows = isSame ? await wholeRows(file, header.length, row, description.rows) : 0;
        if (!isSame) {
          await file.truncate(0);
          await writeAll(file, header, 0);
        }
        return new FeatureIndexWriter(path, description, { file, lock, start: header.length, row, rows });
      } catch (error) {
        await lock.release();
        throw cannotWrite(place, error);
      }
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** How many rows are there. */
  get rows(): number {
    return this.#rows;
  }

  /** Drops rows from the end until there is a multiple of `batch`: batches are computed whole. */
  keepWhole(batch: number): void {
    this.#rows -= this.#rows % batch;
  }

  /**
   * Writes the rows of the next images.
   *
   * @param features one vector after the other
   * @param name of the image that has a row, for errors
   * @throws DataError where a value is not finite; AlexError where they cannot be written: those before are kept
   */
  async append(features: Float32Array, name: (row: number) => string): Promise<void> {
    const { columns, bytes } = this.#row;
    const count = features.length / columns;
    const encoded = new Uint8Array(count * bytes);
    for (let i = 0; i < count; i++) {
      if (!this.#row.encode(features.subarray(i * columns, (i + 1) * columns), encoded, i * bytes)) {
        throw new DataError(
          `${name(this.#rows + i)}: its features are not finite; the network diverged, or its weights are not those of this network`,
        );
      }
    }
    await writeAll(this.#file, encoded, this.#start + this.#rows * bytes).catch((error: unknown) => {
      throw cannotWrite(this.#path, error);
    });
    this.#rows += count;
  }

  /** Makes the index a finished one, in the place of an older one. */
  async finish(): Promise<void> {
    const { rows } = this.description;
    if (this.#rows !== rows)
      throw new AlexError(`${this.#path}: has ${this.#rows} of ${rows} rows, and is not finished`);
    try {
      await this.#file.truncate(this.#start + rows * this.#row.bytes);
      await this.#file.sync();
      await rename(this.#path + building, this.#path);
      await syncDirectory(dirname(this.#path));
    } catch (error) {
      throw cannotWrite(this.#path, error);
    }
  }

  /** Lets go of the file; what is not finished stays, to be continued, unless nothing was begun. */
  async close(): Promise<void> {
    if (this.#rows === 0) await rm(this.#path + building, { force: true }).catch(() => undefined);
    await this.#lock.release();
    await this.#file.close();
  }
}

/** One index of a folder is built at a time. */
async function lockFolder(path: string): Promise<RunLock> {
  return lockRun(dirname(path)).catch((error: unknown) => {
    if (!(error instanceof ConfigError)) throw error;
    const holder = /\(process [^)]*\)/.exec(error.message)?.[0];
    throw new ConfigError(
      `${path}: an index is being built in this folder by another process${holder ? ` ${holder}` : ''}; wait for it, stop it, or choose another folder`,
      { cause: error },
    );
  });
}

function cannotWrite(path: string, error: unknown): unknown {
  if (error instanceof AlexError) return error;
  return new AlexError(`${path}: could not be written: ${describeFileError(error)}`, { cause: error });
}

/** How many rows from the first on are as they were written. */
async function wholeRows(file: FileHandle, start: number, row: StoredRow, most: number): Promise<number> {
  const atATime = Math.max(1, Math.floor(pieceBytes / row.bytes));
  const piece = new Uint8Array(atATime * row.bytes);
  const { size } = await file.stat();
  const there = Math.min(most, Math.floor((size - start) / row.bytes));
  for (let first = 0; first < there; first += atATime) {
    const count = Math.min(atATime, there - first);
    const bytes = piece.subarray(0, count * row.bytes);
    if (!(await readAll(file, bytes, start + first * row.bytes))) return first;
    for (let i = 0; i < count; i++) if (!row.isWhole(bytes, i * row.bytes)) return first + i;
  }
  return there;
}
