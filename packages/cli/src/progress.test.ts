import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createOutput } from './output.js';
import { PreparationProgress } from './preparation-progress.js';
import { TrainingProgress } from './progress.js';

afterEach(() => vi.unstubAllEnvs());

/** The output for a terminal during training and preparation. */
function sentTo(environment: Readonly<Record<string, string>>): string {
  for (const [name, value] of Object.entries({ TERM: 'xterm', NO_COLOR: '', ...environment })) vi.stubEnv(name, value);
  let text = '';
  const terminal = Object.assign(new PassThrough(), { isTTY: true, columns: 80, rows: 24 });
  terminal.setEncoding('utf8').on('data', (more: string) => {
    text += more;
  });
  const output = createOutput({}, { stdout: terminal, stderr: terminal });
  const progress = new TrainingProgress(output);
  const metrics = { split: 'train', epoch: 1, loss: 1, top1Error: 0.5, top5Error: 0.1, learningRate: 0.1 } as const;
  progress.show({ kind: 'start', step: 0, steps: 2 });
  for (const step of [1, 2]) {
    progress.show({ kind: 'step', metrics: { ...metrics, step, imagesPerSecond: 9 }, steps: 2 });
  }
  progress.stop();
  const preparation = new PreparationProgress(output);
  preparation.show({ kind: 'images', done: 5, of: 5, rejected: 0 });
  preparation.stop();
  return text;
}

describe('progress on a terminal', () => {
  it('is a bar that moves', () => {
    expect(sentTo({})).toContain('\u001b[');
  });

  it.each([{ TERM: 'dumb' }, { NO_COLOR: '1' }])('is plain lines with %j', (environment) => {
    const sent = sentTo(environment);
    expect(sent).not.toContain('\u001b');
    expect(sent).not.toContain('\r');
    expect(sent).toMatch(/^step 2\/2 · loss 1\.000 .*\n/);
  });
});
