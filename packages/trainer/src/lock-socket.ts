import { createHash } from 'node:crypto';
import { rm, stat } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { errorCode } from './file.js';

/** Who holds a lock answers at once, unless it is stopped or very busy. */
const patience = 1000;

/** Linux has sockets that are in no file system, Windows pipes; elsewhere it is a file for temporary things. */
export async function socketAddress(path: string): Promise<string> {
  const { dev, ino } = await stat(path, { bigint: true });
  const name = `alex-run-${createHash('sha256').update(`${dev} ${ino}`).digest('hex').slice(0, 24)}`;
  if (process.platform === 'linux') return `\0${name}`;
  return process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(tmpdir(), name);
}

/**
 * Listens at an address where nobody else does. The system takes a socket back with its process, however that ends.
 *
 * @param answer what is told to whoever asks
 * @returns the server, or what the process answers that listens there already: nothing where it does not
 */
export async function listenAlone(address: string, answer: string): Promise<Server | { readonly other: string }> {
  try {
    return await listen(address, answer);
  } catch (error) {
    if (errorCode(error) !== 'EADDRINUSE') throw error;
    const other = await ask(address);
    if (other !== undefined) return { other };
    // It has just ended, or left a socket in the file system behind.
    if (isAbsolute(address)) await rm(address, { force: true });
    return listen(address, answer);
  }
}

function listen(address: string, answer: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      // Whoever asks and then does not listen must not keep the lock from being released.
      socket.end(answer, () => socket.destroy());
    });
    server.once('error', reject);
    // Not shared with the other processes of a cluster.
    server.listen({ path: address, exclusive: true }, () => {
      server.unref();
      resolve(server);
    });
  });
}

/** What the process says that listens, perhaps nothing; `undefined` where there is no such process any more. */
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
