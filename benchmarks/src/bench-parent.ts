import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { compareWithParent } from './parent.js';

const run = promisify(execFile);

/** Longer than the whole comparison should take on a slow machine. */
const timeout = 600_000;

console.log(
  await compareWithParent({
    root: fileURLToPath(new URL('../..', import.meta.url)),
    rounds: 2,
    install: async (folder) => {
      await run('npm', ['ci', '--prefer-offline'], { cwd: folder, timeout });
    },
    bench: async (folder, file) => {
      await run('npm', ['run', '--silent', 'bench', '--', '--short', '--json', file], { cwd: folder, timeout });
    },
  }),
);
