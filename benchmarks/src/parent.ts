import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { compareResults, poolReports, readReport } from './compare.js';
import type { Report } from './report.js';
import { formatComparison } from './tables.js';

const run = promisify(execFile);

export interface ParentOptions {
  /** A checkout whose last commit has a parent to compare with. */
  readonly root: string;
  readonly rounds: number;
  /** Installs the parent's dependencies. */
  readonly install: (folder: string) => Promise<void>;
  /** Runs the short benchmark in a checkout and writes its report to a file. */
  readonly bench: (folder: string, file: string) => Promise<void>;
}

/**
 * Runs the short benchmark here and in the parent commit, alternately on the same machine, and prints the comparison.
 * Timings never fail a change: if something prevents the comparison, the reason is printed instead.
 */
export async function compareWithParent({ root, rounds, install, bench }: ParentOptions): Promise<string> {
  const parent = await git(root, 'rev-parse', '--verify', '--quiet', 'HEAD^{commit}^').catch(() => undefined);
  if (!parent) return 'Nothing to compare with: this checkout does not have the parent of its last commit.';
  const folder = await mkdtemp(join(tmpdir(), 'alex-parent-'));
  const worktree = join(folder, 'checkout');
  try {
    await git(root, 'worktree', 'add', '--detach', worktree, parent);
    await install(worktree);
    const before: Report[] = [];
    const now: Report[] = [];
    for (let round = 0; round < rounds; round++) {
      before.push(await reportOf(bench, worktree, join(folder, `before-${round}.json`)));
      now.push(await reportOf(bench, root, join(folder, `now-${round}.json`)));
    }
    const pooled = (reports: Report[]) => poolReports(reports as [Report, ...Report[]]);
    // The first one to run fills the driver's cache of compiled kernels for the other.
    const comparisons = compareResults(pooled(before), pooled(now)).filter(({ name }) => name !== 'first step');
    const table = formatComparison(comparisons);
    return `The parent commit ${parent.slice(0, 10)} and this one, alternately, ${rounds} times each:\n${table}`;
  } catch (error) {
    return `The parent commit ${parent.slice(0, 10)} was not compared: ${reasonOf(error)}`;
  } finally {
    await git(root, 'worktree', 'remove', '--force', worktree).catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
    await git(root, 'worktree', 'prune').catch(() => undefined);
  }
}

async function reportOf(bench: ParentOptions['bench'], folder: string, file: string): Promise<Report> {
  await bench(folder, file);
  return readReport(file);
}

async function git(root: string, ...command: string[]): Promise<string> {
  return (await run('git', ['-C', root, ...command])).stdout.trim();
}

/** A program's last words, rather than its command line. */
function reasonOf(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message: string };
  return stderr?.trim().split('\n').at(-1) || message;
}
