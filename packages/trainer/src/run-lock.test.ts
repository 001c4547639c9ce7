import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '@alex/tensor';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { lockRun } from './run-lock.js';

const directory = temporaryFolder();

/** Another process that holds the lock, as soon as it reports so. */
async function holder(path: string): Promise<ChildProcess> {
  const script = `
    import { lockRun } from ${JSON.stringify(new URL('./run-lock.ts', import.meta.url).href)};
    await lockRun(${JSON.stringify(path)});
    console.log('held');
    setInterval(() => undefined, 1000);`;
  const args = [
    '--conditions=@alex/source',
    '--import',
    import.meta.resolve('tsx'),
    '--input-type=module',
    '-e',
    script,
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout!, 'data');
  return child;
}

it('is held by one process, which it names, until that process ends in any way', async () => {
  const child = await holder(directory);
  const link = `${directory}-link`;
  await symlink(directory, link);
  try {
    for (const path of [directory, link]) {
      await expect(lockRun(path)).rejects.toThrow(ConfigError);
      await expect(lockRun(path)).rejects.toThrow(
        `being trained by another process (process ${child.pid} on ${hostname()})`,
      );
    }
    const ended = once(child, 'exit');
    // A stopped process still holds it, but cannot answer.
    child.kill('SIGSTOP');
    await expect(lockRun(directory)).rejects.toThrow('being trained by another process');
    child.kill('SIGKILL');
    await ended;
    const lock = await lockRun(directory);
    await expect(lockRun(directory)).rejects.toThrow(`process ${process.pid}`);
    await lock.release();
    await (await lockRun(directory)).release();
  } finally {
    child.kill('SIGKILL');
    await rm(link);
  }
});

it('is separate for each directory', async () => {
  const other = await mkdtemp(join(directory, 'other-'));
  const [one, two] = [await lockRun(directory), await lockRun(other)];
  await one.release();
  await two.release();
});
