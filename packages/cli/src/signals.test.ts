import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { Interruption } from './interrupt.js';
import { startCommand, untilMeasured } from './testing/command.js';
import { writeImages } from './testing/images.js';

const directory = temporaryFolder();
const images = join(directory, 'images');

beforeAll(() => writeImages(images, ['blue', 'red']));

/** Few kernels; endless unless a number of steps is given. */
function training(run: string, ...more: string[]): string[] {
  const steps = more.includes('--steps') ? [] : ['--steps', '1000000'];
  const sizes = ['--crop', '24', '--batch', '1', '--tune', 'off'];
  return ['train', '--data', images, '--model', 'small', '--run', run, ...sizes, ...steps, ...more];
}

/** The steps of a run's checkpoints, newest first. */
async function savedSteps(run: string): Promise<number[]> {
  const names = await readdir(join(run, 'checkpoints'));
  const steps = names.flatMap((name) => /^step-(\d+)/.exec(name)?.[1] ?? []).map(Number);
  return steps.sort((one, other) => other - one);
}

/** The step of the last line of the metrics. */
async function measuredStep(run: string): Promise<number> {
  const lines = (await readFile(join(run, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
  return JSON.parse(lines.at(-1)!).step;
}

// Windows has neither these signals nor process groups.
describe.skipIf(process.platform === 'win32')('a training', () => {
  it.each<NodeJS.Signals>(['SIGINT', 'SIGHUP', 'SIGQUIT'])(
    'that a terminal sends %s to, together with the tee that it writes to, saves its state',
    async (signal) => {
      const run = join(directory, signal);
      const log = join(directory, `${signal}.log`);
      // Its standard error stays ours, so that it ends when the training run ends.
      const running = startCommand(training(run), { shell: (command) => `${command} | tee ${log}` });
      await untilMeasured(running, run);
      // The whole group, as a terminal does: tee is gone before the training run has written anything.
      process.kill(-running.process.pid!, signal);
      expect((await running.ended).stderr).toBe('');
      expect(await savedSteps(run)).toEqual([await measuredStep(run)]);
    },
  );

  it('that a scheduler warns by SIGUSR1 saves, opens no debugger, and exits as shells expect', async () => {
    const run = join(directory, 'usr1');
    const running = startCommand(training(run));
    await untilMeasured(running, run);
    running.process.kill('SIGUSR1');
    const { code, stdout, stderr } = await running.ended;
    expect(code).toBe(128 + 10);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/Finishing this step, then saving/);
    expect(await savedSteps(run)).toEqual([await measuredStep(run)]);
  });

  it.each([
    ['a reader that has ended', (command: string) => `{ ${command}; echo code $? >&2; } | head -n 1`, 'code 0\n'],
    [
      'a log on a full disk',
      (command: string) => `${command} > /dev/full; echo code $? >&2`,
      'warning: some of the output could not be written: ENOSPC\ncode 0\n',
    ],
  ])('survives %s', async (name, shell, said) => {
    const run = join(directory, name.replaceAll(' ', '-'));
    const { stderr } = await startCommand(training(run, '--steps', '3'), { shell }).ended;
    expect(stderr).toBe(said);
    expect(await savedSteps(run)).toEqual([3]);
    expect(await readdir(run)).toContain('weights.safetensors');
  });
});

it.skipIf(process.platform === 'win32')('a list with a closed output ends without a stack trace', async () => {
  // Nobody reads from the start, so that the first line meets a closed pipe.
  const shell = (command: string) => `{ ${command}; echo code $? >&2; } | true`;
  const { stderr } = await startCommand(['kernel', '--model', 'small', '--batch', '1'], { shell }).ended;
  expect(stderr).toBe('code 0\n');
});

describe.skipIf(process.platform === 'win32')('signals', () => {
  it.each<[NodeJS.Signals, number]>([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGUSR1', 138],
    ['SIGUSR2', 140],
    ['SIGXCPU', 152],
  ])('%s asks to stop once, with the exit code %i', (signal, code) => {
    const heard: string[] = [];
    const interruption = new Interruption((one) => heard.push(one));
    try {
      process.emit(signal, signal);
      expect(interruption.signal.aborted).toBe(true);
      expect(interruption.code).toBe(code);
      // What a scheduler sends after its warning neither stops the saving nor changes the code.
      if (code !== 130 && code !== 143) process.emit('SIGTERM', 'SIGTERM');
      expect(interruption.code).toBe(code);
      expect(heard).toEqual([signal]);
    } finally {
      interruption.dispose();
    }
  });
});
