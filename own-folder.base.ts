import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

/**
 * Creates a folder for this process, and removes those of killed processes of this machine.
 *
 * @param parent its parent folder; created if it does not exist
 * @param prefix the beginning of its name; machine and process follow
 */
export async function ownFolder(parent: string, prefix: string): Promise<string> {
  await mkdir(parent, { recursive: true });
  const ofThisMachine = `${prefix}${hostname()}-`;
  for (const name of await readdir(parent)) {
    const owner = name.startsWith(ofThisMachine) && /^(\d+)-\w{6}$/.exec(name.slice(ofThisMachine.length))?.[1];
    // Another process may remove it at the same time.
    if (owner && !isAlive(Number(owner))) await rm(join(parent, name), { recursive: true }).catch(() => undefined);
  }
  return mkdtemp(join(parent, `${ofThisMachine}${process.pid}-`));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // A process of another user exists, but may not be signalled.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
