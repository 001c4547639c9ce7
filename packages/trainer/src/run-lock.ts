import { randomUUID } from 'node:crypto';
import { readFile, readlink, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { AlexError } from '@alex/tensor';
import { checkOptions } from '@alex/tensor/kernels';
import { describeFileError } from './file.js';
import { heldBy, LockFile, nameOf } from './lock-file.js';
import { listenAlone, socketAddress } from './lock-socket.js';

/** Milliseconds between two heartbeats, and between two looks at those of others. */
const beatEvery = 2000;

/** Exclusive permission of this process to train in a run directory. */
export interface RunLock {
  /**
   * Makes sure, before something is written, that it is still held: who stood still for long may have been taken for gone.
   *
   * @throws AlexError that names who holds it now
   */
  check(): Promise<void>;
  release(): Promise<void>;
}

export interface LockOptions {
  /** Hears that a lock may have been left behind, and that it is looked at for half a minute. */
  readonly onWait?: ((message: string) => void) | undefined;
}

/**
 * Keeps other processes from training in the same directory, whatever path they call it by and whatever machine or container they
 * run on. On one machine what is held is a socket, which the system takes back with the process however it ends. Between machines it
 * is a file with a heartbeat ({@link LockFile}): one that was left behind, and does not change for half a minute, is taken over.
 *
 * @throws ConfigError that names the process which holds it, and its machine, or an option that is none; AlexError where the directory cannot be written
 */
export async function lockRun(path: string, options: LockOptions = {}): Promise<RunLock> {
  checkOptions('lockRun', options, ['onWait']);
  const { onWait } = options;
  const address = await socketAddress(path).catch((error: unknown) => {
    throw new AlexError(`${path}: the run could not be locked: ${describeFileError(error)}`, { cause: error });
  });
  const self = { host: hostname(), process: process.pid };
  const server = await listenAlone(address, nameOf(self));
  if ('other' in server) throw heldBy(path, server.other === '' ? nameOf(undefined) : server.other);
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
  try {
    const machine = await machineName();
    const place = machine && `${self.host} ${machine} ${address.replace('\0', '')}`;
    const file = await LockFile.take(path, { holder: { ...self, place }, pause: () => setTimeout(beatEvery), onWait });
    const stop = new AbortController();
    void keepAlive(file, stop.signal);
    return {
      check: () => file.check(),
      release: async () => {
        stop.abort();
        await file.release();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function keepAlive(file: LockFile, signal: AbortSignal): Promise<void> {
  // Who lost it is told before it writes; a disk that is full or away for a moment is no reason to end.
  const beat = () => file.beat().catch(() => undefined);
  const pause = () => setTimeout(beatEvery, true, { ref: false, signal }).catch(() => false);
  while (await pause()) await beat();
}

/**
 * Names the machine, or the container, as far as its processes can meet at the same socket; nothing where that cannot be told.
 * A name that is said again by another machine would let it take over a lock that is held.
 */
export async function machineName(platform: NodeJS.Platform = process.platform): Promise<string | undefined> {
  try {
    if (platform === 'linux') {
      // Sockets are of a network namespace, whose number is one for as long as the system runs.
      const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
      return `${boot.trim()} ${await readlink('/proc/self/ns/net')}`;
    }
    // Sockets are in this folder, which nobody shares with another machine.
    const file = join(tmpdir(), 'alex-machine');
    await writeFile(file, randomUUID(), { flag: 'wx' }).catch(() => undefined);
    return (await readFile(file, 'utf8')) || undefined;
  } catch {
    return undefined;
  }
}
