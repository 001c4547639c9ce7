import { createServer, type Server } from 'node:net';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { listenAlone, socketAddress } from './lock-socket.js';

const folder = temporaryFolder();

/** A process that does with connections what one of these does. */
async function other(address: string, answer: (server: Server) => void): Promise<Server> {
  const server: Server = createServer((socket) => {
    answer(server);
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(address, resolve));
  return server;
}

it('takes the address over from a process that ends while it is asked', async () => {
  const address = await socketAddress(folder);
  await other(address, (server) => server.close());
  const own = await listenAlone(address, 'mine');
  expect(own).not.toHaveProperty('other');
  expect(await listenAlone(address, 'yours')).toEqual({ other: 'mine' });
  await new Promise((resolve) => (own as Server).close(resolve));
});
