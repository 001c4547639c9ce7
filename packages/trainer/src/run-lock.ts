import { createHash } from 'node:crypto';
import { rm, stat } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { ConfigError } from '@alex/tensor';
import { errorCode } from './file.js';

/** Who holds a lock answers at once, unless it is stopped or very busy. */
const patience = 1000;

/** A run directory that only this process trains in. */
export interface RunLock {
  release(): Promise<void>;
}

/**
 * Keeps other processes of this machine from training in the same directory, whatever path they call it by. What is held
 * is a socket, which the system takes back with the process however it ends, so no lock is ever left behind; no clock is
 * involved.
 *
 * @throws ConfigError that names the process which holds it
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
    // It has just ended, or left a socket in the file system behind.
    if (isAbsolute(address)) await rm(address, { force: true });
    return listen(address);
  });
  return { release: () => new Promise((resolve) => server.close(() => resolve())) };
}

/** Linux has sockets that are in no file system, Windows pipes; elsewhere it is a file for temporary things. */
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
      // Whoever asks and then does not listen must not keep the lock from being released.
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

/** What the process says that holds a lock, perhaps nothing; `undefined` where there is no such process any more. */
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
