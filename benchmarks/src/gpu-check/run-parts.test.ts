import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { Finding, TestsFinding } from './findings.js';
import type { Part, Task } from './plan.js';
import { runParts } from './run-parts.js';
import { type NamedPipe, namedPipe } from './testing.js';

let out: string;
beforeAll(async () => {
  out = await mkdtemp(join(tmpdir(), 'alex-run-parts-'));
});
afterAll(() => rm(out, { recursive: true }));
// Limits are reached when the test says so.
beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

/** Finds how many lines it printed. */
function task(name: string, script: string, more: Partial<Task> = {}): Task {
  const read = (output: string): TestsFinding | undefined => {
    const passed = output.split('\n').length - 1;
    return passed > 0 ? { kind: 'tests', package: name, passed, failed: 0, skipped: 0 } : undefined;
  };
  return { name, command: { words: ['sh', '-c', script] }, limit: 600, read, ...more };
}

const run = (parts: readonly Part[]) => {
  const seconds = parts.reduce((sum, part) => sum + part.seconds, 0);
  return runParts(parts, { seconds, leastSeconds: 0.001, out });
};

const passed = (finding: Finding | undefined) => (finding?.kind === 'tests' ? finding.passed : undefined);

test('a task that fails, hangs or prints nonsense does not stop the next ones', async () => {
  const reports = await run([
    { name: 'failing', seconds: 600, tasks: [task('bad', 'echo; exit 1'), task('good', 'echo; echo')] },
    {
      name: 'garbled',
      seconds: 1,
      tasks: [
        task('garbled', 'echo', {
          read: () => {
            throw new SyntaxError('torn');
          },
        }),
      ],
    },
    { name: 'missing', seconds: 1, tasks: [task('missing', '', { command: { words: ['/no-such-program'] } })] },
    { name: 'last', seconds: 600, tasks: [task('last', 'echo')] },
  ]);
  expect(reports.map(({ name, outcome, finding }) => [name, outcome, passed(finding)])).toEqual([
    ['bad', 'failed', 1],
    ['good', 'done', 2],
    ['garbled', 'failed', undefined],
    ['missing', 'failed', undefined],
    ['last', 'done', 1],
  ]);
  expect(reports[2]!.reason).toBe('cannot be parsed: SyntaxError: torn');
});

test('a task has its limit, a part its time, and the parts after it theirs', async () => {
  const [limited, unlimited] = ['limited', 'unlimited'].map((name) => namedPipe(join(out, name)));
  const running = run([
    {
      name: 'hanging',
      seconds: 4,
      tasks: [
        task('limited', `exec 3> ${limited!.path}; echo; echo >&3; sleep 1000`, { limit: 1 }),
        task('unlimited', `exec 3> ${unlimited!.path}; echo >&3; sleep 1000`),
        task('too late', 'echo'),
      ],
    },
    { name: 'after', seconds: 600, tasks: [task('after', 'echo')] },
  ]);
  await limited!.said;
  vi.advanceTimersByTime(1000);
  await unlimited!.said;
  vi.advanceTimersByTime(3000);
  const reports = await running;
  expect(reports.map(({ name, outcome }) => [name, outcome])).toEqual([
    ['limited', 'cut off'],
    ['unlimited', 'cut off'],
    ['too late', 'not reached'],
    ['after', 'done'],
  ]);
  // What was reported by then is kept.
  expect(passed(reports[0]!.finding)).toBe(1);
});

test('a task that is asked to end and reports findings is done; one that reports none is not', async () => {
  const asked = { signal: 'SIGINT', graceMs: 59_000 } as const;
  const pipes = ['telling', 'silent'].map((name) => namedPipe(join(out, name)));
  const of = (name: string, pipe: NamedPipe, words: string) => {
    const script = `exec 3> ${pipe.path}; trap '${words} exit 130' INT; echo >&3; while :; do sleep 0.01; done`;
    return task(name, '', { limit: 60, command: { words: ['sh', '-c', script], asked } });
  };
  const tasks = [of('telling', pipes[0]!, 'echo found;'), of('silent', pipes[1]!, '')];
  const running = run([{ name: 'asked', seconds: 600, tasks }]);
  for (const { said } of pipes) {
    await said;
    vi.advanceTimersByTime(1000);
  }
  const reports = await running;
  expect(reports.map(({ name, outcome }) => [name, outcome])).toEqual([
    ['telling', 'done'],
    ['silent', 'failed'],
  ]);
});

test('a finding may add a further task', async () => {
  const less = task('less', 'echo');
  const more = task('more', 'echo; echo', { next: (finding) => (passed(finding) === 2 ? less : undefined) });
  const reports = await run([{ name: 'both', seconds: 600, tasks: [more, task('other', 'echo')] }]);
  expect(reports.map(({ name }) => name)).toEqual(['more', 'less', 'other']);
});

test('limits scale with the available time', async () => {
  const limits: number[] = [];
  const part = { name: 'part', seconds: 1000, tasks: [task('short', '', { limit: 100 })] };
  const onStart = (_: Task, limitMs: number) => limits.push(limitMs);
  await runParts([part], { seconds: 2000, out, onStart });
  expect(limits).toEqual([200_000]);
});
