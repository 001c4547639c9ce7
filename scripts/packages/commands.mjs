// Runs programs for the checks of packages.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** A program's output; throws with all of it if the program fails. */
export async function run(command, args, { cwd, env = {}, shell = false } = {}) {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    shell,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let all = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
    all += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    all += text;
  });
  const [code, signal] = await once(child, 'close');
  if (code !== 0) throw new Error(`${[command, ...args].join(' ')}: ${signal ?? `exit code ${code}`}\n${all}`);
  return stdout;
}

/** On Windows, npm and npx are scripts that need a shell. */
export function npm(args, options) {
  return run('npm', args, { ...options, shell: process.platform === 'win32' });
}
