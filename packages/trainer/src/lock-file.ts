import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readdir, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { AlexError, ConfigError } from '@alex/tensor';
import * as v from 'valibot';
import { describeFileError, errorCode, writeAll } from './file.js';

/*
 * A lock between machines that share nothing but a directory: neither a clock nor processes, and any of them may be suspended at
 * any time. The lock is a file, `.lock-N`. Its holder regularly writes a new number to it, the heartbeat. Other processes check
 * whether the number changes. They count their own checks and never compare times. If the number has not changed for long enough,
 * they create `.lock-N+1`, which the file system grants to only one of them, and remove `.lock-N`. If the old holder was only
 * suspended, it sees that its file is gone, and writes nothing more.
 */

/** The number of checks, one heartbeat apart, that an unchanged lock survives before its holder counts as gone. */
export const looks = 15;

const NAME = /^\.lock-(\d{1,15})$/;

/** Whether a file of a run's directory is its lock. */
export function isLockFile(name: string): boolean {
  return NAME.test(name);
}

/** The holder of a lock. */
export interface LockHolder {
  readonly host: string;
  readonly process: number;
  /**
   * Identifies the machine, as far as its processes see each other, and a resource that only one of them can have. A process that
   * has this resource knows that its previous holder is gone.
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

/** A lock as it was read. */
interface Seen {
  readonly number: number;
  readonly text: string;
  /** Undefined if the file is just being written. */
  readonly content: v.InferOutput<typeof contentSchema> | undefined;
}

export interface LockFileOptions {
  /** Default: this process. */
  readonly holder?: LockHolder;
  /** The time between two checks. */
  readonly pause: () => Promise<unknown>;
  /** Called with what the process is waiting for. */
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
   * Takes the lock of a directory. A stale lock is taken over once it is clear that nobody holds it.
   *
   * @throws ConfigError that names the holder; AlexError if the directory cannot be written
   */
  static async take(
    directory: string,
    { holder = { host: hostname(), process: process.pid }, pause, onWait }: LockFileOptions,
  ): Promise<LockFile> {
    const left = await leftBehind(directory, holder, pause, onWait);
    const number = Math.max(0, ...left.map((one) => one.number)) + 1;
    const lock = new LockFile(directory, number, randomUUID(), holder);
    await lock.#make();
    // A process that saw the directory without a lock in between starts from 1 again.
    const others = (await seenIn(directory)).filter((one) => one.number !== number);
    const unknown = others.find((one) => !left.some((known) => known.number === one.number && known.text === one.text));
    if (unknown) {
      await rm(fileOf(directory, number), { force: true });
      throw held(directory, unknown.content);
    }
    for (const one of left) await rm(fileOf(directory, one.number), { force: true });
    return lock;
  }

  /** Shows that the holder is alive. */
  async beat(): Promise<void> {
    await this.#withFile(async (file) => {
      this.#beat += 1;
      // Overwrites the old number, which was never longer, so the file is never empty.
      await writeAll(file, this.#content(), 0);
    });
  }

  /**
   * Checks that no other process has taken it meanwhile.
   *
   * @throws AlexError that names that process
   */
  async check(): Promise<void> {
    await this.#withFile(async () => undefined);
  }

  /**
   * Makes its file again if it was removed with its directory, which is there again.
   *
   * @throws ConfigError that names the holder if another process has made one meanwhile
   */
  async restore(): Promise<void> {
    const isThere = await this.check().then(
      () => true,
      () => false,
    );
    if (!isThere) await this.#make();
  }

  /** Releases it, unless another process has taken it by now. */
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
   * Opens its file, which refreshes it on a network file system, and closes it afterwards, which sends what was written to the
   * server.
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
      // Compares the content, because a lock created in its place would have the same name.
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
        ? `${this.#directory}: another process (${nameOf(other)}) has taken over the run while ${own} was suspended; nothing more is written here`
        : `${this.#directory}: the lock of the run, which ${own} held, was removed from its directory; nothing more is written here`,
    );
  }
}

/**
 * The stale locks of a directory: those of this machine are recognized at once, others after some checks.
 *
 * @throws ConfigError that names the holder
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

/** The existing locks, the oldest first: one, or two during a takeover. */
async function seenIn(directory: string): Promise<Seen[]> {
  try {
    const numbers = (await readdir(directory)).flatMap((name) => Number(NAME.exec(name)?.[1] ?? []));
    const seen: Seen[] = [];
    for (const number of numbers.sort((one, other) => one - other)) {
      const text = await readFile(fileOf(directory, number), 'utf8').catch((error: unknown) => {
        // It has just been released.
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

/** The name of a holder in messages: `process 12 on cluster-3`. */
export function nameOf(holder: LockHolder | undefined): string {
  return holder ? `process ${holder.process} on ${holder.host}` : 'which has not given its name';
}

/** The message if another process is training. */
export function heldBy(directory: string, name: string): ConfigError {
  return new ConfigError(
    `${directory}: is being trained by another process (${name}); wait for it, stop it, or choose another run`,
  );
}
