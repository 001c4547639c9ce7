import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it, vi } from 'vitest';

it('starts a script from the sources', async () => {
  // What other tests have in its place starts scripts of a bundle.
  const { ownScript } = await vi.importActual<typeof import('./own-script.js')>('./own-script.js');
  const { url, execArgv } = ownScript('shard-process');
  expect(url.pathname).toMatch(/src\/shard-process\.ts$/);
  const child = fork(fileURLToPath(url), { execArgv, serialization: 'advanced' });
  child.send({ shard: 'none' });
  expect(await once(child, 'message')).toEqual([
    { kind: 'failed', name: 'TypeError', message: expect.any(String) },
    undefined,
  ]);
  child.disconnect();
  await once(child, 'exit');
});
