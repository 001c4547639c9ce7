import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Command, runCommand } from './run-command.js';
import { namedPipe, never } from './testing.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'alex-run-command-'));
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => vi.useRealTimers());

const log = () => join(folder, 'log');
const run = (script: string, limitMs = never, more: Partial<Command> = {}) =>
  runCommand({ words: ['sh', '-c', script], ...more }, limitMs, log());

describe('a command that', () => {
  test('succeeds is done, with everything that it printed', async () => {
    expect(await run('echo out; echo err >&2')).toMatchObject({ outcome: 'done', output: 'out\n' });
    expect((await readFile(log(), 'utf8')).split('\n').sort()).toEqual(['', 'err', 'out']);
  });

  test('fails is explained by its last line that is not a warning', async () => {
    expect(await run('echo no adapter >&2; echo "Warning: slow" >&2; exit 3')).toMatchObject({
      outcome: 'failed',
      reason: 'ended with exit code 3: no adapter',
    });
    expect(await run('kill -9 $$')).toMatchObject({ outcome: 'failed', reason: 'ended with SIGKILL' });
  });

  test('cannot be started has failed', async () => {
    const command: Command = { words: ['/no-such-program'] };
    expect(await runCommand(command, never, log())).toMatchObject({
      outcome: 'failed',
      reason: expect.stringMatching(/^cannot be started: .*no-such-program/),
    });
  });

  test('takes too long is ended with its children, even if it ignores signals; its output counts', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const pipe = namedPipe(join(folder, 'deaf'));
    const running = run(`exec 3> ${pipe.path}; trap '' INT TERM; echo told; echo told >&3; sleep 1000 & wait`, 2000);
    await pipe.said;
    vi.advanceTimersByTime(2000);
    expect(await running).toMatchObject({ outcome: 'cut off', output: 'told\n', reason: 'took longer than 2 s' });
    await pipe.ended;
  });

  test('leaves processes running does not leave them to later commands', async () => {
    const pipe = namedPipe(join(folder, 'left'));
    expect(await run(`exec 3> ${pipe.path}; sleep 1000 > /dev/null 2>&1 &`)).toMatchObject({ outcome: 'done' });
    await pipe.ended;
  });

  test('is asked to end before its time is up can report its findings', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const pipe = namedPipe(join(folder, 'asked'));
    const script = `process.on('SIGINT', () => { console.log('saved'); process.exit(130); });
      setInterval(() => {}, 1000);
      require('node:fs').writeFileSync(${JSON.stringify(pipe.path)}, 'listening');`;
    const command: Command = {
      words: [process.execPath, '--eval', script],
      asked: { signal: 'SIGINT', graceMs: 55_000 },
    };
    const running = runCommand(command, 60_000, log());
    await pipe.said;
    vi.advanceTimersByTime(5_000);
    expect(await running).toMatchObject({ outcome: 'failed', output: 'saved\n' });
  });
});

test('a command runs where it is told, with the variables it is given', async () => {
  const { output } = await run('pwd; echo $ALEX_WORD', never, { folder: '/', environment: { ALEX_WORD: 'word' } });
  expect(output).toBe('/\nword\n');
});
