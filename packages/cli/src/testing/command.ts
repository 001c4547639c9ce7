import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** What a command said and how it ended. */
export interface CommandResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command in a process of its own, on the sources, as `npm run alexnet --` starts it. */
export interface RunningCommand {
  readonly process: ChildProcess;
  readonly ended: Promise<CommandResult>;
}

/** Dawn's own words about some drivers (lavapipe among them), which no option silences. */
const driverWarning = /^Warning: \w+ artificially reduced from .*\n/gm;

const main = fileURLToPath(new URL('../main.ts', import.meta.url));

/** What a test measures must not decide what the machine's user computes with, nor the other way round. */
const cache = mkdtempSync(join(tmpdir(), 'alex-cache-'));
process.on('exit', () => rmSync(cache, { recursive: true, force: true }));

/** Starts `alexnet` with these arguments; `before` is a module to load first. */
export function startCommand(
  args: readonly string[],
  options: { readonly before?: URL; readonly directory?: string; readonly timeLimit?: number } = {},
): RunningCommand {
  const imports = [import.meta.resolve('tsx'), ...(options.before ? [options.before.href] : [])];
  const node = ['--conditions=@alex/source', ...imports.flatMap((url) => ['--import', url]), main, ...args];
  const child = spawn(process.execPath, node, {
    cwd: options.directory,
    env: { ...process.env, ALEX_CACHE: cache },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeLimit ?? 110_000);
  const ended = new Promise<CommandResult>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr: stderr.replaceAll(driverWarning, '') });
    });
  });
  return { process: child, ended };
}

/** Runs `alexnet` with these arguments to its end. */
export function runCommand(
  args: readonly string[],
  options?: Parameters<typeof startCommand>[1],
): Promise<CommandResult> {
  return startCommand(args, options).ended;
}

/** Waits until a training has written its first line of metrics into its run directory; fails where it ends before. */
export async function untilMeasured(running: RunningCommand, run: string): Promise<void> {
  let result: CommandResult | undefined;
  running.ended.then((ended) => {
    result = ended;
  });
  const metrics = join(run, 'metrics.jsonl');
  while (!(await readFile(metrics, 'utf8').catch(() => '')).includes('\n')) {
    if (result) throw new Error(`The training ended before its first step:\n${result.stdout}${result.stderr}`);
    await sleep(20);
  }
}
