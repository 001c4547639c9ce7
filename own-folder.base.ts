import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

/**
 * Makes a folder for this process, and removes those that processes of this machine left behind which were killed.
 *
 * @param parent where it is to be; made where there is none
 * @param prefix what its name begins with; machine and process follow
 */
export async function ownFolder(parent: string, prefix: string): Promise<string> {
  await mkdir(parent, { recursive: true });
  const ofThisMachine = `${prefix}${hostname()}-`;
  for (const name of await readdir(parent)) {
    const owner = name.startsWith(ofThisMachine) && /^(\d+)-\w{6}$/.exec(name.slice(ofThisMachine.length))?.[1];
    // Another process may be about it at the same time.
    if (owner && !isAlive(Number(owner))) await rm(join(parent, name), { recursive: true }).catch(() => undefined);
  }
  return mkdtemp(join(parent, `${ofThisMachine}${process.pid}-`));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // One of another user is there, but may not be asked.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
