import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';

export interface Command {
  /** Program and arguments. */
  readonly words: readonly [string, ...string[]];
  /** Where it runs. Default: here. */
  readonly folder?: string;
  /** Added to the environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** What asks it to end, so many milliseconds before it is ended. Default: nothing does. */
  readonly asked?: { readonly signal: NodeJS.Signals; readonly graceMs: number };
}

/** How a process ended, and what it had printed on standard output by then. */
export interface Ended {
  readonly outcome: 'done' | 'failed' | 'cut off';
  readonly seconds: number;
  readonly output: string;
  /** Why it is not done. */
  readonly reason?: string;
}

/**
 * Runs a command and ends it, with all that it started, when its time is up: a process that hangs in a driver hears no gentler
 * signal. Whatever goes wrong is an outcome.
 *
 * @param log file for everything that it prints
 */
export async function runCommand(command: Command, limitMs: number, log: string): Promise<Ended> {
  const { words, folder, environment, asked } = command;
  const [program, ...rest] = words;
  const file = createWriteStream(log);
  const start = performance.now();
  const child = spawn(program, rest, {
    // A group of its own, so that its children end with it.
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
  // What it started and left behind must not compute beside the next.
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
    // It ended already.
  }
}

/** Dawn warns of what it always does; that is not the reason. */
function withLastLine(how: string, complaints: string): string {
  const last = complaints
    .split('\n')
    .map((line) => line.trim())
    .findLast((line) => line !== '' && !line.startsWith('Warning: ') && !/^(at |Node\.js v|\{|\})/.test(line));
  return last === undefined ? how : `${how}: ${last}`;
}
