import { type FileHandle, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import sharp from 'sharp';
import { makeFolder, writeWhole } from './files.js';

/** What was found out about an image file. */
export interface ImageCheck {
  /** Checksum of its bytes. */
  readonly digest: string;
  /** Why it cannot be used, in words; nothing where it can. */
  readonly fault?: string;
}

/** A file as it was when it was looked at: its size, its times and its number on the disk. */
export interface Stamp {
  readonly size: number;
  readonly mtimeMs: number;
  /** Nobody can set it back: a file that was replaced by one of the same size and date is told by it. */
  readonly ctimeMs: number;
  readonly ino: number;
}

/** Another decoder may find other faults. */
const header = JSON.stringify({ format: 'alex-image-checks', version: 1, vips: sharp.versions.vips });
/** Entries that are written at a time: a check that is interrupted loses no more. */
const writtenAtATime = 256;

const keyOf = ({ size, mtimeMs, ctimeMs, ino }: Stamp) => `${size} ${mtimeMs} ${ctimeMs} ${ino}`;

/**
 * Remembers in a file what was found out about images, so that each is read and decoded for it once, as long as it stays as it
 * is. The file is a help only: where it is missing, damaged or cannot be written, everything is looked at again.
 */
export class KnownChecks {
  readonly #file: string | undefined;
  readonly #known: Map<string, string>;
  #unwritten: string[] = [];
  #handle: FileHandle | undefined;
  /** Lines of the file, also those that later ones replaced. */
  #lines: number;
  #failed = false;

  private constructor(file: string | undefined, lines: readonly string[]) {
    this.#file = file;
    this.#lines = lines.length;
    this.#known = new Map(
      lines.flatMap((line) => {
        // Of a line that was torn by a power cut nothing is known.
        const path = pathOf(line);
        return path === undefined ? [] : [[path, line] as const];
      }),
    );
  }

  /** @param file where to keep them; nothing to keep none */
  static async open(file: string | undefined): Promise<KnownChecks> {
    const text = file === undefined ? '' : await readFile(file, 'utf8').catch(() => '');
    const [first, ...lines] = text.split('\n');
    const usable = first === header;
    if (file !== undefined && !usable) await rm(file, { force: true }).catch(() => undefined);
    return new KnownChecks(file, usable ? lines.filter((line) => line !== '') : []);
  }

  /** What is known of a file, unless it has changed. */
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

  /** Writes what is new. Where most of the file is about what is no more, it is written again. */
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
        // A last line that was torn ends here.
        await this.#handle.appendFile((await this.#handle.stat()).size === 0 ? `${header}\n` : '\n');
      }
      // In one piece: two programs may check the same folder at the same time.
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
