import { createHash } from 'node:crypto';
import { rm, stat } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { ConfigError } from '@alex/tensor';
import { errorCode } from './file.js';

/** The holder of a lock answers immediately, unless it is stopped or very busy. */
const patience = 1000;

/** Exclusive permission of this process to train in a run directory. */
export interface RunLock {
  release(): Promise<void>;
}

/**
 * Keeps other processes of this machine from training in the same directory, whatever path they use for it. The lock is
 * a socket, which the system closes however the process ends, so no stale lock is ever left behind, and no timeouts are
 * needed.
 *
 * @throws ConfigError with the process that holds it
 */
export async function lockRun(path: string): Promise<RunLock> {
  const address = await addressOf(path);
  const server = await listen(address).catch(async (error: unknown) => {
    if (errorCode(error) !== 'EADDRINUSE') throw error;
    const owner = await ask(address);
    if (owner !== undefined) {
      throw new ConfigError(
        `${path}: is being trained by another process${owner === '' ? '' : ` (${owner})`}; wait for it, stop it, or choose another run`,
      );
    }
    // It has just ended, or left a socket in the file system.
    if (isAbsolute(address)) await rm(address, { force: true });
    return listen(address);
  });
  return { release: () => new Promise((resolve) => server.close(() => resolve())) };
}

/** Linux has sockets outside the file system, Windows has pipes; elsewhere it is a file in the temporary folder. */
async function addressOf(path: string): Promise<string> {
  const { dev, ino } = await stat(path, { bigint: true });
  const name = `alex-run-${createHash('sha256').update(`${dev} ${ino}`).digest('hex').slice(0, 24)}`;
  if (process.platform === 'linux') return `\0${name}`;
  return process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(tmpdir(), name);
}

function listen(address: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      // A client that asks and does not read the answer must not keep the lock from being released.
      socket.end(`process ${process.pid}`, () => socket.destroy());
    });
    server.once('error', reject);
    // Not shared with the other processes of a cluster.
    server.listen({ path: address, exclusive: true }, () => {
      server.unref();
      resolve(server);
    });
  });
}

/** The answer of the process that holds a lock, possibly empty; `undefined` if the process no longer exists. */
function ask(address: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(address);
    socket.setTimeout(patience, () => socket.destroy(new Error('no answer')));
    socket.once('connect', () => text(socket).then(resolve, () => resolve('')));
    socket.once('error', (error) =>
      resolve(errorCode(error) === 'ECONNREFUSED' || errorCode(error) === 'ENOENT' ? undefined : ''),
    );
  });
}
