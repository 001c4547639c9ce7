import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parseArguments } from './arguments.js';
import { kernelPackages, otherPackages, planOf } from './plan.js';

const packages = fileURLToPath(new URL('../../../packages', import.meta.url));
const places = { out: '/out', cache: '/cache' };

/** The tests other than README snippets cover everything that the snippets open. */
const opensAnAdapter = /\b(testGpu|describeLayer|openGpu|networkCommand)\(/;

test('every package whose tests open an adapter is tested', () => {
  const opening = readdirSync(packages).filter((name) =>
    readdirSync(join(packages, name, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.test.ts'))
      .some((file) => opensAnAdapter.test(readFileSync(join(packages, name, 'src', file), 'utf8'))),
  );
  expect([...kernelPackages, ...otherPackages]).toEqual(expect.arrayContaining(opening));
  expect(opening.length).toBeGreaterThan(10);
});

test('every task has its own name, and the parts fit in eight minutes with a few seconds left', () => {
  const parts = planOf(parseArguments([]), places);
  const names = parts.flatMap(({ tasks }) => tasks.map(({ name }) => name));
  expect(new Set(names).size).toBe(names.length);
  expect(names).toEqual(expect.arrayContaining(['step of 128, float32', 'step of 256, mixed', 'tests of cli']));
  expect(parts.reduce((sum, { seconds }) => sum + seconds, 0)).toBe(470);
});

test('the quick check tunes nothing and runs no other library', () => {
  const quick = planOf(parseArguments(['--quick']), places);
  expect(quick.map(({ name }) => name)).toEqual(['adapter', 'step', 'learning', 'tests']);
  expect(quick[1]!.tasks.map(({ name }) => name)).toEqual(['step of 128, float32', 'step of 128, mixed']);
});

test('a library that cannot compute that many images is tried with fewer, once', () => {
  const [first] = planOf(parseArguments([]), places).at(-1)!.tasks;
  const found = (failure?: string) => ({
    kind: 'peers' as const,
    batch: 1,
    results: [{ library: 'tfjs', ...(failure && { failure }) } as never],
  });
  expect(first!.next!(found())).toBeUndefined();
  const next = first!.next!(found('out of memory'))!;
  expect(next.command.words.join(' ')).toContain('--batch 32');
  expect(next.next!(found('out of memory'))).toBeUndefined();
});
