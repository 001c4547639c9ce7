import { type FileHandle, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import sharp from 'sharp';
import { makeFolder, writeWhole } from './files.js';

/** The result of checking an image file. */
export interface ImageCheck {
  /** Checksum of its bytes. */
  readonly digest: string;
  /** Why it cannot be used, in words; undefined if it can. */
  readonly fault?: string;
}

/** The state of a file when it was checked: its size, its times and its inode number. */
export interface Stamp {
  readonly size: number;
  readonly mtimeMs: number;
  /** It cannot be set back, so it reveals a file that was replaced by one of the same size and date. */
  readonly ctimeMs: number;
  readonly ino: number;
}

/** Another decoder may find other errors. */
const header = JSON.stringify({ format: 'alex-image-checks', version: 1, vips: sharp.versions.vips });
/** The number of entries written at a time, which is what an interrupted check can lose. */
const writtenAtATime = 256;

const keyOf = ({ size, mtimeMs, ctimeMs, ino }: Stamp) => `${size} ${mtimeMs} ${ctimeMs} ${ino}`;

/**
 * Stores the results of checks in a file, so that each image is read and decoded only once unless it changes. The file is only
 * a cache: if it is missing, damaged or cannot be written, everything is checked again.
 */
export class KnownChecks {
  readonly #file: string | undefined;
  readonly #known: Map<string, string>;
  #unwritten: string[] = [];
  #handle: FileHandle | undefined;
  /** The number of lines in the file, including those that later ones replaced. */
  #lines: number;
  #failed = false;

  private constructor(file: string | undefined, lines: readonly string[]) {
    this.#file = file;
    this.#lines = lines.length;
    this.#known = new Map(
      lines.flatMap((line) => {
        // A line truncated by a power cut is ignored.
        const path = pathOf(line);
        return path === undefined ? [] : [[path, line] as const];
      }),
    );
  }

  /** @param file where to store them; undefined to store nothing */
  static async open(file: string | undefined): Promise<KnownChecks> {
    const text = file === undefined ? '' : await readFile(file, 'utf8').catch(() => '');
    const [first, ...lines] = text.split('\n');
    const usable = first === header;
    if (file !== undefined && !usable) await rm(file, { force: true }).catch(() => undefined);
    return new KnownChecks(file, usable ? lines.filter((line) => line !== '') : []);
  }

  /** The stored result for a file, unless the file has changed. */
  get(path: string, stamp: Stamp): ImageCheck | undefined {
    const line = this.#known.get(path);
    if (line === undefined) return undefined;
    const [, key, digest, fault] = JSON.parse(line) as [string, string, string, string?];
    return key === keyOf(stamp) ? { digest, ...(fault !== undefined && { fault }) } : undefined;
  }

  async add(path: string, stamp: Stamp, { digest, fault }: ImageCheck): Promise<void> {
    const line = JSON.stringify([path, keyOf(stamp), digest, ...(fault === undefined ? [] : [fault])]);
    this.#known.set(path, line);
    this.#unwritten.push(line);
    if (this.#unwritten.length >= writtenAtATime) await this.#write();
  }

  /**
   * Writes the new results. If most of the file is obsolete, it is rewritten.
   *
   * @param paths the existing files
   */
  async close(paths: Iterable<string>): Promise<void> {
    await this.#write();
    await this.#handle?.close().catch(() => undefined);
    this.#handle = undefined;
    if (this.#file === undefined || this.#failed) return;
    const lines = [...paths].flatMap((path) => this.#known.get(path) ?? []);
    if (this.#lines <= 2 * lines.length + writtenAtATime) return;
    await writeWhole(this.#file, `${[header, ...lines].join('\n')}\n`).catch(() => undefined);
  }

  async #write(): Promise<void> {
    const lines = this.#unwritten;
    this.#unwritten = [];
    if (this.#file === undefined || this.#failed || lines.length === 0) return;
    try {
      if (!this.#handle) {
        await makeFolder(dirname(this.#file));
        this.#handle = await open(this.#file, 'a');
        // Ends a truncated last line.
        await this.#handle.appendFile((await this.#handle.stat()).size === 0 ? `${header}\n` : '\n');
      }
      // In a single write: two programs may check the same folder at the same time.
      await this.#handle.appendFile(`${lines.join('\n')}\n`);
      this.#lines += lines.length;
    } catch {
      this.#failed = true;
    }
  }
}

function pathOf(line: string): string | undefined {
  try {
    const entry: unknown = JSON.parse(line);
    const isEntry = Array.isArray(entry) && entry.length >= 3 && entry.every((part) => typeof part === 'string');
    return isEntry ? (entry as string[])[0] : undefined;
  } catch {
    return undefined;
  }
}
