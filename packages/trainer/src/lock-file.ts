import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readdir, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { AlexError, ConfigError } from '@alex/tensor';
import * as v from 'valibot';
import { describeFileError, errorCode, writeAll } from './file.js';

/*
 * A lock between machines that share a directory, of which they have nothing else in common: no clock, no processes, perhaps
 * not even the moment at which one of them stands still. So it is a file, `.lock-N`, that whoever holds it writes a new number
 * into, the heartbeat, again and again. Others see that it changes, or that it does not while they look at it often enough; they
 * count their own looks, and compare no times. Then they make `.lock-N+1`, which the file system grants to one of them, and
 * remove `.lock-N`. Who held that one and only stood still sees that its file is gone, and writes nothing more.
 */

/** Looks, each a beat after the one before, at a lock that does not change before its holder counts as gone. */
export const looks = 15;

const NAME = /^\.lock-(\d{1,15})$/;

/** Whether a file of a run's directory is its lock. */
export function isLockFile(name: string): boolean {
  return NAME.test(name);
}

/** Who holds a lock. */
export interface LockHolder {
  readonly host: string;
  readonly process: number;
  /**
   * Names the machine as far as its processes see each other, and what only one of them can have there. Whoever has it knows that the
   * last one who had it is gone.
   */
  readonly place?: string | undefined;
}

const contentSchema = v.object({
  id: v.string(),
  host: v.string(),
  process: v.number(),
  place: v.exactOptional(v.string()),
  beat: v.number(),
});

/** A lock as it was seen. */
interface Seen {
  readonly number: number;
  readonly text: string;
  /** Nothing of a file that is just being written. */
  readonly content: v.InferOutput<typeof contentSchema> | undefined;
}

export interface LockFileOptions {
  /** Default: this process. */
  readonly holder?: LockHolder;
  /** What lies between two looks. */
  readonly pause: () => Promise<unknown>;
  /** Hears what is waited for. */
  readonly onWait?: ((message: string) => void) | undefined;
}

/** A lock file that this process holds. */
export class LockFile {
  readonly #directory: string;
  readonly #number: number;
  readonly #id: string;
  readonly #holder: LockHolder;
  #beat = 0;

  private constructor(directory: string, number: number, id: string, holder: LockHolder) {
    this.#directory = directory;
    this.#number = number;
    this.#id = id;
    this.#holder = holder;
  }

  /**
   * Takes the lock of a directory; of one that was left behind, once it is clear that nobody holds it.
   *
   * @throws ConfigError that names who holds it; AlexError where the directory cannot be written
   */
  static async take(
    directory: string,
    { holder = { host: hostname(), process: process.pid }, pause, onWait }: LockFileOptions,
  ): Promise<LockFile> {
    const left = await leftBehind(directory, holder, pause, onWait);
    const number = Math.max(0, ...left.map((one) => one.number)) + 1;
    const lock = new LockFile(directory, number, randomUUID(), holder);
    await lock.#make();
    // Whoever came in between, from a directory without a lock, counts from 1 again.
    const others = (await seenIn(directory)).filter((one) => one.number !== number);
    const unknown = others.find((one) => !left.some((known) => known.number === one.number && known.text === one.text));
    if (unknown) {
      await rm(fileOf(directory, number), { force: true });
      throw held(directory, unknown.content);
    }
    for (const one of left) await rm(fileOf(directory, one.number), { force: true });
    return lock;
  }

  /** Shows that whoever holds it is there. */
  async beat(): Promise<void> {
    await this.#withFile(async (file) => {
      this.#beat += 1;
      // Over the old number, which was never longer: the file is never empty.
      await writeAll(file, this.#content(), 0);
    });
  }

  /**
   * Makes sure that nobody else has taken it meanwhile.
   *
   * @throws AlexError that names who has
   */
  async check(): Promise<void> {
    await this.#withFile(async () => undefined);
  }

  /** Gives it back, unless it is somebody else's by now. */
  async release(): Promise<void> {
    await this.#withFile(() => rm(fileOf(this.#directory, this.#number), { force: true })).catch(() => undefined);
  }

  async #make(): Promise<void> {
    const path = fileOf(this.#directory, this.#number);
    let file: FileHandle;
    try {
      file = await open(path, 'wx');
    } catch (error) {
      if (errorCode(error) === 'EEXIST') {
        const [other] = (await seenIn(this.#directory)).slice(-1);
        throw held(this.#directory, other?.content);
      }
      throw new AlexError(`${path}: the lock of the run could not be made: ${describeFileError(error)}`, {
        cause: error,
      });
    }
    try {
      await writeAll(file, this.#content(), 0);
      await file.close();
    } catch (error) {
      await file.close().catch(() => undefined);
      await rm(path, { force: true });
      throw new AlexError(`${path}: the lock of the run could not be made: ${describeFileError(error)}`, {
        cause: error,
      });
    }
  }

  #content(): Buffer {
    const { host, process, place } = this.#holder;
    const content = { id: this.#id, host, process, ...(place !== undefined && { place }), beat: this.#beat };
    return Buffer.from(`${JSON.stringify(content)}\n`);
  }

  /**
   * Opens its file, which is read again then, on a network file system too, and closed again, which brings there what was
   * written.
   */
  async #withFile(use: (file: FileHandle) => Promise<void>): Promise<void> {
    const path = fileOf(this.#directory, this.#number);
    const file = await open(path, 'r+').catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return;
      throw new AlexError(`${path}: the lock of the run could not be read: ${describeFileError(error)}`, {
        cause: error,
      });
    });
    try {
      // By its content: another one that was made in its place has its name.
      if (!file || parsed(await file.readFile('utf8'))?.id !== this.#id) throw await this.#lost();
      await use(file);
    } finally {
      await file?.close();
    }
  }

  async #lost(): Promise<AlexError> {
    const other = (await seenIn(this.#directory).catch(() => [])).at(-1)?.content;
    const own = `this process (${nameOf(this.#holder)})`;
    return new AlexError(
      other
        ? `${this.#directory}: another process (${nameOf(other)}) has taken over the run while ${own} stood still; nothing more is written here`
        : `${this.#directory}: the lock of the run, which ${own} held, was removed from its directory; nothing more is written here`,
    );
  }
}

/**
 * The locks of a directory that nobody holds any more: of a process on this very machine at once, of others after some looks.
 *
 * @throws ConfigError that names who holds it
 */
async function leftBehind(
  directory: string,
  { place }: LockHolder,
  pause: () => Promise<unknown>,
  onWait: LockFileOptions['onWait'],
): Promise<Seen[]> {
  const isGone = ({ content }: Seen) => place !== undefined && content?.place === place;
  let seen = await seenIn(directory);
  if (seen.every(isGone)) return seen;
  const [doubtful] = seen.filter((one) => !isGone(one)).slice(-1);
  onWait?.(
    `${directory}: may be being trained by another process (${nameOf(doubtful!.content)}), on another machine or in another container; ` +
      'waiting for up to half a minute to see whether it is there.',
  );
  for (let look = 0; look < looks; look++) {
    await pause();
    const now = await seenIn(directory);
    const changed = now.find((one) => !seen.some((before) => before.number === one.number && before.text === one.text));
    if (changed) throw held(directory, changed.content);
    seen = now;
    if (seen.every(isGone)) break;
  }
  return seen;
}

/** The locks that there are, the oldest first: one, or two while somebody takes it over. */
async function seenIn(directory: string): Promise<Seen[]> {
  try {
    const numbers = (await readdir(directory)).flatMap((name) => Number(NAME.exec(name)?.[1] ?? []));
    const seen: Seen[] = [];
    for (const number of numbers.sort((one, other) => one - other)) {
      const text = await readFile(fileOf(directory, number), 'utf8').catch((error: unknown) => {
        // Given back just now.
        if (errorCode(error) !== 'ENOENT') throw error;
      });
      if (text !== undefined) seen.push({ number, text, content: parsed(text) });
    }
    return seen;
  } catch (error) {
    throw new AlexError(`${directory}: the lock of the run could not be read: ${describeFileError(error)}`, {
      cause: error,
    });
  }
}

function fileOf(directory: string, number: number): string {
  return join(directory, `.lock-${number}`);
}

function parsed(text: string): Seen['content'] {
  const content = v.safeParse(v.pipe(v.string(), v.parseJson(), contentSchema), text);
  return content.success ? content.output : undefined;
}

function held(directory: string, holder: LockHolder | undefined): ConfigError {
  return heldBy(directory, nameOf(holder));
}

/** How a holder is called: `process 12 on cluster-3`. */
export function nameOf(holder: LockHolder | undefined): string {
  return holder ? `process ${holder.process} on ${holder.host}` : 'which has not said its name';
}

/** What is said where another process trains. */
export function heldBy(directory: string, name: string): ConfigError {
  return new ConfigError(
    `${directory}: is being trained by another process (${name}); wait for it, stop it, or choose another run`,
  );
}
