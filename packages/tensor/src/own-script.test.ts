import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it, vi } from 'vitest';

it('starts a script from the sources', async () => {
  // What other tests have in its place starts scripts of a bundle.
  const { ownScript } = await vi.importActual<typeof import('./own-script.js')>('./own-script.js');
  const { url, execArgv } = ownScript('trial-child');
  expect(url.pathname).toMatch(/src\/trial-child\.ts$/);
  const child = fork(fileURLToPath(url), { execArgv, serialization: 'advanced' });
  child.send({ adapter: { index: 1000 } });
  const [answer] = await once(child, 'message');
  expect(answer).toEqual({ kind: 'failed', reason: expect.stringContaining('There is no adapter "1000"') });
  child.disconnect();
  await once(child, 'exit');
});
