import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';
import type {} from '../../../../bundle.base.js';
import { runCommandLine } from '../command-line.js';

/** A command's output and exit code. */
export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command in a separate process, from the sources. */
export interface RunningCommand {
  readonly process: ChildProcess;
  readonly ended: Promise<CommandResult>;
}

/** Dawn's messages about some drivers (including lavapipe), which no option silences. */
const driverWarning = /^Warning: \w+ artificially reduced from .*\n/gm;

/**
 * Runs `work` with a separate cache folder: the measurements of tests must not affect those of the machine's user, nor the
 * other way round.
 */
async function withCache<Result>(work: (cache: string) => Promise<Result>): Promise<Result> {
  const cache = mkdtempSync(join(tmpdir(), 'alex-cache-'));
  try {
    return await work(cache);
  } finally {
    rmSync(cache, { recursive: true, force: true });
  }
}

/**
 * Starts `alexnet` with these arguments.
 *
 * @param options.before a module of the bundle to load first: `full-disk.js`
 * @param options.shell makes a shell command from the command's text: `alexnet | tee log`. It runs in a separate process group,
 * as in a terminal.
 * @param options.bundle the address of the bundle. Default: that of the tests
 */
export function startCommand(
  args: readonly string[],
  {
    before,
    shell,
    bundle = inject('bundle'),
  }: { readonly before?: string; readonly shell?: (command: string) => string; readonly bundle?: string } = {},
): RunningCommand {
  const imports = before === undefined ? [] : ['--import', `${bundle}/${before}`];
  const node = [...imports, fileURLToPath(`${bundle}/main.js`), ...args];
  const quoted = [process.execPath, ...node].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const [program, given] = shell ? ['sh', ['-c', shell(quoted)]] : [process.execPath, node];
  let child!: ChildProcess;
  const ended = withCache((cache) => {
    child = spawn(program, given, {
      env: { ...process.env, ALEX_CACHE: cache },
      detached: shell !== undefined,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [stdout, stderr] = [textOf(child.stdout!), textOf(child.stderr!)];
    return new Promise<CommandResult>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => {
        resolve({ code, stdout: stdout(), stderr: stderr().replaceAll(driverWarning, '') });
      });
    });
  });
  return { process: child, ended };
}

/**
 * Runs `alexnet` with these arguments to its end, in this process: a separate process takes seconds to start and far
 * more to compile its kernels.
 *
 * @param options.directory the working directory
 */
export function runCommand(
  args: readonly string[],
  { directory }: { readonly directory?: string } = {},
): Promise<CommandResult> {
  return withCache(async (cache) => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const [out, err] = [textOf(stdout), textOf(stderr)];
    const { ALEX_CACHE: cacheBefore } = process.env;
    const directoryBefore = process.cwd();
    process.env['ALEX_CACHE'] = cache;
    if (directory !== undefined) process.chdir(directory);
    try {
      const code = await runCommandLine(args, { stdout, stderr });
      return { code, stdout: out(), stderr: err() };
    } finally {
      process.chdir(directoryBefore);
      if (cacheBefore === undefined) delete process.env['ALEX_CACHE'];
      else process.env['ALEX_CACHE'] = cacheBefore;
    }
  });
}

/** The text of a stream, from now on. */
function textOf(stream: NodeJS.ReadableStream): () => string {
  let text = '';
  stream.setEncoding('utf8').on('data', (more: string) => {
    text += more;
  });
  return () => text;
}

/** Waits until a running command has printed something, and returns the match. */
export async function untilSaid({ process: child, ended }: RunningCommand, wanted: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let said = '';
    child.stdout!.on('data', (text: string) => {
      said += text;
      const found = wanted.exec(said);
      if (found) resolve(found);
    });
    ended.then(({ stdout, stderr }) => reject(new Error(`The command ended without printing it:\n${stdout}${stderr}`)));
  });
}

/** Waits until a training run has written its first line of metrics to its run directory; fails if it ends before. */
export async function untilMeasured(running: RunningCommand, run: string): Promise<void> {
  const metrics = join(run, 'metrics.jsonl');
  const measured = async () => (await readFile(metrics, 'utf8').catch(() => '')).includes('\n');
  const early = running.ended.then(({ stdout, stderr }): never => {
    throw new Error(`The training ended before its first step:\n${stdout}${stderr}`);
  });
  early.catch(() => undefined);
  while (true) {
    // A file that does not exist yet will appear in its parent folder.
    const watched = nearest(metrics);
    const watcher = watch(watched);
    try {
      const changed = new Promise((resolve) => watcher.once('change', resolve));
      if (await measured()) return;
      if (nearest(metrics) === watched) await Promise.race([changed, early]);
    } finally {
      watcher.close();
    }
  }
}

function nearest(path: string): string {
  return existsSync(path) ? path : nearest(dirname(path));
}
