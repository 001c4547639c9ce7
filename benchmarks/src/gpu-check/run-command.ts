import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';

export interface Command {
  /** Program and arguments. */
  readonly words: readonly [string, ...string[]];
  /** Working directory. Default: the current one. */
  readonly folder?: string;
  /** Added to the environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The signal that asks it to end, this many milliseconds before it is killed. Default: none. */
  readonly asked?: { readonly signal: NodeJS.Signals; readonly graceMs: number };
}

/** How a process ended, and its standard output up to then. */
export interface Ended {
  readonly outcome: 'done' | 'failed' | 'cut off';
  readonly seconds: number;
  readonly output: string;
  /** Why it did not succeed. */
  readonly reason?: string;
}

/**
 * Runs a command. When its time is up, kills it with all processes that it started: a process that hangs in a driver
 * reacts to no gentler signal. Every failure is an outcome.
 *
 * @param log file for all of its output
 */
export async function runCommand(command: Command, limitMs: number, log: string): Promise<Ended> {
  const { words, folder, environment, asked } = command;
  const [program, ...rest] = words;
  const file = createWriteStream(log);
  const start = performance.now();
  const child = spawn(program, rest, {
    // In its own process group, so that its children end with it.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
    ...(folder !== undefined && { cwd: folder }),
  });
  const end = () => signalGroup(child, 'SIGKILL');
  process.once('exit', end);
  let output = '';
  let complaints = '';
  let wasCutOff = false;
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    file.write(text);
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    complaints += text;
    file.write(text);
  });
  const timers = [
    setTimeout(() => {
      wasCutOff = true;
      end();
    }, limitMs),
  ];
  if (asked) {
    timers.push(setTimeout(() => signalGroup(child, asked.signal), Math.max(0, limitMs - asked.graceMs)));
  }
  const how = await new Promise<string | undefined>((resolve) => {
    child.on('error', (error) => resolve(`cannot be started: ${error.message}`));
    child.on('close', (code, signal) => {
      resolve(code === 0 ? undefined : `ended with ${signal ?? `exit code ${code}`}`);
    });
  });
  timers.forEach(clearTimeout);
  // Processes that it left behind must not compute during the next task.
  end();
  process.off('exit', end);
  file.end();
  await finished(file);
  const seconds = (performance.now() - start) / 1000;
  if (wasCutOff)
    return { outcome: 'cut off', seconds, output, reason: `took longer than ${Math.round(limitMs / 1000)} s` };
  if (how === undefined) return { outcome: 'done', seconds, output };
  return { outcome: 'failed', seconds, output, reason: withLastLine(how, complaints) };
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It has already ended.
  }
}

/** Dawn prints its usual warnings; they are not the reason. */
function withLastLine(how: string, complaints: string): string {
  const last = complaints
    .split('\n')
    .map((line) => line.trim())
    .findLast((line) => line !== '' && !line.startsWith('Warning: ') && !/^(at |Node\.js v|\{|\})/.test(line));
  return last === undefined ? how : `${how}: ${last}`;
}
