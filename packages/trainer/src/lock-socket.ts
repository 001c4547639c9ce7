import { createHash } from 'node:crypto';
import { rm, stat } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { errorCode } from './file.js';

/** The holder of a lock answers at once, unless it is stopped or very busy. */
const patience = 1000;

/** Linux has sockets outside any file system, Windows has pipes; elsewhere the socket is a temporary file. */
export async function socketAddress(path: string): Promise<string> {
  const { dev, ino } = await stat(path, { bigint: true });
  const name = `alex-run-${createHash('sha256').update(`${dev} ${ino}`).digest('hex').slice(0, 24)}`;
  if (process.platform === 'linux') return `\0${name}`;
  return process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(tmpdir(), name);
}

/**
 * Listens at an address unless another process does. The system closes a socket with its process, however that ends.
 *
 * @param answer the text that other processes get
 * @returns the server, or the answer of the process that already listens there; undefined if it does not answer
 */
export async function listenAlone(address: string, answer: string): Promise<Server | { readonly other: string }> {
  while (true) {
    try {
      return await listen(address, answer);
    } catch (error) {
      if (errorCode(error) !== 'EADDRINUSE') throw error;
    }
    const other = await ask(address);
    if (other !== undefined) return { other };
    // That process has just ended, or left a socket file behind.
    if (isAbsolute(address)) await rm(address, { force: true });
  }
}

function listen(address: string, answer: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      // A process that asks and does not read the answer must not prevent the lock from being released.
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

/** Errors of a connection to a process that has ended, or ends. */
const ended = ['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE'];

/** The answer of the listening process, empty if it gives none in time; `undefined` if the process has ended, or ends now. */
function ask(address: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(address);
    socket.setTimeout(patience, () => socket.destroy(new Error('no answer')));
    socket.once('error', (error) => resolve(ended.includes(errorCode(error) ?? '') ? undefined : ''));
    // A process that ends closes its connections without an answer.
    socket.once('connect', () =>
      text(socket).then(
        (answer) => resolve(answer === '' ? undefined : answer),
        () => undefined,
      ),
    );
  });
}
