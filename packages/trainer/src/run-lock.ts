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

/** Milliseconds between two heartbeats, and between two checks of other processes' heartbeats. */
const beatEvery = 2000;

/** Exclusive permission of this process to train in a run directory. */
export interface RunLock {
  /**
   * Checks, before something is written, that the lock is still held: if this process was suspended for long, another one may
   * have taken it.
   *
   * @throws AlexError that names the present holder
   */
  check(): Promise<void>;
  /** Locks the directory again that was removed, and made again. */
  restore(): Promise<void>;
  release(): Promise<void>;
}

export interface LockOptions {
  /** Called when a lock may be stale, and is being watched for half a minute. */
  readonly onWait?: ((message: string) => void) | undefined;
}

/**
 * Keeps other processes from training in the same directory, by any path and on any machine or in any container. On one machine,
 * the lock is a socket, which the system closes with the process, however it ends. Between machines, it is a file with a
 * heartbeat (`LockFile`): a stale one, which does not change for half a minute, is taken over.
 *
 * @throws ConfigError that names the process which holds it, and its machine, or for an unknown option; AlexError if the directory cannot be written
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
      restore: () => file.restore(),
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
  // A process that lost the lock finds out before it writes; a disk that is full or unavailable for a moment is no reason to
  // stop.
  const beat = () => file.beat().catch(() => undefined);
  const pause = () => setTimeout(beatEvery, true, { ref: false, signal }).catch(() => false);
  while (await pause()) await beat();
}

/**
 * Identifies the machine or container whose processes can reach the same socket; undefined if that is not possible. If another
 * machine had the same name, it could take over a lock that is still held.
 */
export async function machineName(platform: NodeJS.Platform = process.platform): Promise<string | undefined> {
  try {
    if (platform === 'linux') {
      // Sockets belong to a network namespace, whose number stays the same while the system runs.
      const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
      return `${boot.trim()} ${await readlink('/proc/self/ns/net')}`;
    }
    // Sockets are in this folder, which is not shared between machines.
    const file = join(tmpdir(), 'alex-machine');
    await writeFile(file, randomUUID(), { flag: 'wx' }).catch(() => undefined);
    return (await readFile(file, 'utf8')) || undefined;
  } catch {
    return undefined;
  }
}
