import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AlexError, ConfigError, DataError } from '@alex/tensor';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { appendMetrics, type Metrics, readMetrics, rewindMetrics } from './metrics.js';

const directory = temporaryFolder();

const metrics = (step: number, split: 'train' | 'val' = 'train'): Metrics => ({
  step,
  epoch: step / 3,
  split,
  loss: 2.5,
  top1Error: 0.5,
  top5Error: 0.25,
  learningRate: 0.01,
  imagesPerSecond: 100,
});

describe('metrics.jsonl', () => {
  it('has one object per line, with the documented names', async () => {
    const path = join(directory, 'lines');
    await appendMetrics(path, metrics(3));
    await appendMetrics(path, metrics(3, 'val'));
    expect(await readFile(path, 'utf8')).toBe(
      '{"step":3,"epoch":1,"split":"train","loss":2.5,"top1Error":0.5,"top5Error":0.25,"learningRate":0.01,"imagesPerSecond":100}\n' +
        '{"step":3,"epoch":1,"split":"val","loss":2.5,"top1Error":0.5,"top5Error":0.25,"learningRate":0.01,"imagesPerSecond":100}\n',
    );
    expect(await readMetrics(path)).toEqual([metrics(3), metrics(3, 'val')]);
  });

  it('stores custom values, and refuses those that JSON cannot represent', async () => {
    const path = join(directory, 'extra');
    const own = { ...metrics(1), extra: { 'gradient norm': 1.5, beta: 0 } };
    await appendMetrics(path, own);
    await appendMetrics(path, metrics(2));
    expect(await readMetrics(path)).toEqual([own, metrics(2)]);
    expect(await rewindMetrics(path, 1)).toEqual([own]);
    expect(await readMetrics(path)).toEqual([own]);
    const broken = appendMetrics(path, { ...metrics(2), extra: { norm: Number.NaN } });
    await expect(broken).rejects.toThrow(ConfigError);
    await expect(broken).rejects.toThrow(/norm must be a finite number, got NaN/);
    expect(await readMetrics(path)).toEqual([own]);
  });

  it('is empty before the first line', async () => {
    expect(await readMetrics(join(directory, 'none'))).toEqual([]);
  });

  it('ignores a truncated last line', async () => {
    const path = join(directory, 'torn');
    await appendMetrics(path, metrics(1));
    await appendFile(path, '{"step":2,"epo');
    expect(await readMetrics(path)).toEqual([metrics(1)]);
    expect(await rewindMetrics(path, 9)).toEqual([metrics(1)]);
    await appendMetrics(path, metrics(2));
    expect(await readMetrics(path)).toEqual([metrics(1), metrics(2)]);
  });

  it('names file and line of an invalid entry', async () => {
    const path = join(directory, 'foreign');
    for (const line of ['nonsense', '{"step":1}', JSON.stringify({ ...metrics(1), top1Error: 1.5 }), '[]']) {
      await writeFile(path, `${JSON.stringify(metrics(1))}\n${line}\n`);
      await expect(readMetrics(path)).rejects.toThrow(DataError);
      await expect(readMetrics(path)).rejects.toThrow(/foreign: line 2/);
    }
  });

  it('drops lines after the step that a run resumes from', async () => {
    const path = join(directory, 'rewound');
    for (const line of [metrics(1), metrics(2), metrics(2, 'val'), metrics(3)]) await appendMetrics(path, line);
    const kept = [metrics(1), metrics(2), metrics(2, 'val')];
    expect(await rewindMetrics(path, 2)).toEqual(kept);
    expect(await readMetrics(path)).toEqual(kept);
  });

  it.runIf(process.platform === 'linux')('reports a full disk', async () => {
    // Linux's device that is always full.
    await expect(appendMetrics('/dev/full', metrics(1))).rejects.toThrow(AlexError);
    await expect(appendMetrics('/dev/full', metrics(1))).rejects.toThrow(/no space is left on the disk; free some/);
  });
});
