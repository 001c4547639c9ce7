import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { compareWithParent, type ParentOptions } from './parent.js';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'alex-checkout-'));
  git('init', '--quiet');
  git('config', 'user.name', 'nobody');
  git('config', 'user.email', 'nobody@example.org');
  await commit('10');
});

afterEach(() => rm(root, { recursive: true, force: true }));

function git(...command: string[]): string {
  return execFileSync('git', ['-C', root, ...command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

/** A commit whose benchmark takes this long. */
async function commit(milliseconds: string): Promise<void> {
  await writeFile(join(root, 'milliseconds'), milliseconds);
  git('add', '.');
  git('commit', '--quiet', '--message', milliseconds);
}

/** Compares with a benchmark that reads its duration from the checkout; `visited` lists the checkouts in order. */
async function compared(more: Partial<ParentOptions> = {}) {
  const visited: string[] = [];
  const said = await compareWithParent({
    root,
    rounds: 2,
    install: async () => undefined,
    async bench(folder, file) {
      visited.push(folder);
      const time = Number(await readFile(join(folder, 'milliseconds'), 'utf8'));
      const times = { medianMs: time, fastestMs: time, slowestMs: time };
      await writeFile(file, JSON.stringify({ environment: {}, results: [{ name: 'step', adapter: 'a', ...times }] }));
    },
    ...more,
  });
  return { said, visited };
}

/** Neither folders nor git's records of them. */
function nothingIsLeft(visited: readonly string[]): void {
  for (const folder of visited) if (folder !== root) expect(existsSync(folder)).toBe(false);
  expect(git('worktree', 'list').trim().split('\n')).toHaveLength(1);
}

test('times the parent and this commit alternately', async () => {
  await commit('20');
  const { said, visited } = await compared();
  expect(said).toMatch(/step +10\.00 .* 20\.00 .* 0\.50 .* SLOWER/);
  expect(visited).toEqual([visited[0], root, visited[0], root]);
  expect(visited[0]).not.toBe(root);
  nothingIsLeft(visited);
});

test('uncommitted changes count as this commit', async () => {
  await commit('20');
  await writeFile(join(root, 'milliseconds'), '5');
  expect((await compared()).said).toMatch(/step +10\.00 .* 5\.00 .* 2\.00/);
});

test('the first commit has no parent to compare with', async () => {
  const { said, visited } = await compared();
  expect(said).toMatch(/^Nothing to compare with: .* does not have the parent/);
  expect(visited).toEqual([]);
});

test('neither has the last commit of a shallow clone', async () => {
  await commit('20');
  const full = root;
  root = await mkdtemp(join(tmpdir(), 'alex-shallow-'));
  try {
    execFileSync('git', ['clone', '--quiet', '--depth', '1', `file://${full}`, root]);
    expect((await compared()).said).toMatch(/^Nothing to compare with/);
  } finally {
    await rm(root, { recursive: true, force: true });
    root = full;
  }
});

test.each<[string, Partial<ParentOptions>]>([
  ['installed', { install: () => Promise.reject(new Error('out of disk')) }],
  [
    'run',
    { bench: () => Promise.reject(Object.assign(new Error('Command failed'), { stderr: 'noise\nout of disk\n' })) },
  ],
])('reports a parent that cannot be %s, and leaves nothing behind', async (_, broken) => {
  await commit('20');
  const { said, visited } = await compared(broken);
  expect(said).toMatch(/^The parent commit [0-9a-f]{10} was not compared: out of disk$/);
  nothingIsLeft(visited);
});

test('reports a parent whose report is invalid', async () => {
  await commit('20');
  const { said } = await compared({ bench: (_, file) => writeFile(file, '{}') });
  expect(said).toMatch(/was not compared: .* is not a benchmark report/);
});
