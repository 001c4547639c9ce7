import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Command, runCommand } from './run-command.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'alex-run-command-'));
});
afterAll(() => rm(folder, { recursive: true }));

const log = () => join(folder, 'log');
const run = (script: string, limitMs = 60_000, more: Partial<Command> = {}) =>
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
    expect(await runCommand(command, 60_000, log())).toMatchObject({
      outcome: 'failed',
      reason: expect.stringMatching(/^cannot be started: .*no-such-program/),
    });
  });

  test('takes too long is killed with its child processes, even if it ignores signals; its output counts', async () => {
    const pids = join(folder, 'pids');
    const ended = await run(`trap '' INT TERM; echo told; sleep 1000 & echo $! $$ > ${pids}; wait`, 2000);
    expect(ended).toMatchObject({ outcome: 'cut off', output: 'told\n', reason: 'took longer than 2 s' });
    for (const pid of (await readFile(pids, 'utf8')).trim().split(' ')) await end(pid);
  });

  test('leaves something running does not leave it to later commands', async () => {
    const pids = join(folder, 'left');
    await run(`sleep 1000 > /dev/null 2>&1 & echo $! > ${pids}`);
    await end((await readFile(pids, 'utf8')).trim());
  });

  test('is asked to end before its limit can report what it has', async () => {
    const asked = { signal: 'SIGINT', graceMs: 60_000 } as const;
    const script = `process.on('SIGINT', () => { console.log('saved'); process.exit(130); }); setInterval(() => {}, 1000)`;
    // Asked at once, or as soon as it listens: either way the signal ends it, not its limit.
    const command: Command = { words: [process.execPath, '--eval', script], asked: { ...asked, graceMs: 55_000 } };
    expect(await runCommand(command, 60_000, log())).toMatchObject({ outcome: 'failed', output: 'saved\n' });
  });
});

test('a command runs in the given folder with the given environment', async () => {
  const { output } = await run('pwd; echo $ALEX_WORD', 60_000, { folder: '/', environment: { ALEX_WORD: 'word' } });
  expect(output).toBe('/\nword\n');
});

/** Waits until a process has ended. A killed process takes a moment, and stays a zombie until it is reaped. */
async function end(pid: string): Promise<void> {
  const status = () => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  while (!/^$|\) [ZX] /.test(await status())) await setTimeout(10);
}
