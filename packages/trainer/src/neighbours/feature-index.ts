import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AlexError, ConfigError, DataError } from '@alex/tensor';
import { elementCount } from '@alex/tensor/kernels';
import { describeFileError, errorCode, readAll, syncDirectory, writeAll } from '../file.js';
import { lockRun, type RunLock } from '../run-lock.js';
import { checkDescription, encodeHeader, type IndexDescription, readHeader } from './index-header.js';
import { StoredRow } from './stored-row.js';

/** Added to the name of an index while it is being built. */
export const building = '.building';
/** The amount that is checked at a time. */
const pieceBytes = 2 ** 24;

/**
 * A finished index of features on disk: one row of 16-bit values for each image of a split, in its order. It is read piece
 * by piece, and every row is checked when it is read.
 */
export class FeatureIndex {
  readonly path: string;
  readonly description: IndexDescription;
  /** The layout of its rows. */
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
   * @throws ConfigError if there is none; DataError if it is another kind of file, or truncated; AlexError if it cannot be
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
      if (size !== wanted) throw new DataError(`${path}: has ${size} bytes instead of ${wanted}; rebuild it`);
      return index;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * Reads successive rows to the beginning of `target`.
   *
   * @throws DataError that names the first damaged row
   */
  async read(first: number, count: number, target: Uint8Array): Promise<void> {
    const bytes = target.subarray(0, count * this.row.bytes);
    const isThere = await readAll(this.#file, bytes, this.#start + first * this.row.bytes).catch((error: unknown) => {
      throw new AlexError(`${this.path}: could not be read: ${describeFileError(error)}`, { cause: error });
    });
    if (!isThere) throw new DataError(`${this.path}: was truncated while it was read; rebuild it`);
    for (let i = 0; i < count; i++) {
      if (!this.row.isWhole(bytes, i * this.row.bytes)) {
        throw new DataError(`${this.path}: row ${first + i} is damaged (its checksum is wrong); rebuild it`);
      }
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/**
 * An index that is being built, in a separate file, so that a finished index is always complete. An interrupted build,
 * even after a power failure, continues after the last complete row.
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
   * Starts an index, or continues one that was started with the same description.
   *
   * @throws ConfigError if another process builds it; AlexError if it cannot be written
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

  /** The number of rows so far. */
  get rows(): number {
    return this.#rows;
  }

  /** Drops rows from the end until their number is a multiple of `batch`, because only whole batches are computed. */
  keepWhole(batch: number): void {
    this.#rows -= this.#rows % batch;
  }

  /**
   * Writes the rows of the next images.
   *
   * @param features one vector after the other
   * @param name returns the name of a row's image, for errors
   * @throws DataError if a value is not finite; AlexError if they cannot be written; earlier rows are kept
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

  /** Finishes the index, and replaces an older one. */
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

  /** Closes the file. An unfinished index stays, to be continued, unless it has no rows. */
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

/** The number of intact rows, counted from the first one. */
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
