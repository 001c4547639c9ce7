import { appendFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AlexError, DataError } from '@alex/tensor';
import { beforeEach, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { readDivergence } from './divergence-file.js';
import { type Origin, ProvenanceFile, readProvenance } from './provenance.js';

const directory = temporaryFolder();
let file: string;
let number = 0;

beforeEach(() => {
  file = join(directory, `${++number}.jsonl`);
});

function origin(step: number): Origin {
  return {
    step,
    version: '0.3.0',
    command: ['train', '--run', 'runs/a b'],
    machine: { node: 'v20.19.0', platform: 'linux x64', processor: 'a processor', cores: 2 },
    adapters: [{ name: 'an adapter', driver: 'a driver', kind: 'software', memoryBytes: 7 }],
    memory: { total: 7, parameters: 1, optimizerState: 1, activations: 5 },
  };
}

describe('provenance', () => {
  it('has each process with the problems that it recovered from and its end, even if it was killed', async () => {
    const first = new ProvenanceFile(file, origin(0));
    first.problem('the adapter was lost');
    first.problem('and again');
    first.end({ step: 30, outcome: 'stopped' });
    new ProvenanceFile(file, origin(30));
    new ProvenanceFile(file, { ...origin(20), strategy: 'data' }).end({
      step: 50,
      outcome: 'failed',
      reason: 'no space',
    });
    const stretches = await readProvenance(file);
    expect(stretches).toEqual([
      {
        ...origin(0),
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        problems: ['the adapter was lost', 'and again'],
        end: { time: expect.any(String), step: 30, outcome: 'stopped' },
      },
      { ...origin(30), time: expect.any(String), problems: [] },
      {
        ...origin(20),
        strategy: 'data',
        time: expect.any(String),
        problems: [],
        end: { time: expect.any(String), step: 50, outcome: 'failed', reason: 'no space' },
      },
    ]);
  });

  it('is empty for a run of an earlier version', async () => {
    expect(await readProvenance(file)).toEqual([]);
  });

  it('ignores truncated lines, additions of a later version, and an end without a start', async () => {
    await writeFile(file, '{"kind":"end","time":"t","step":1,"outcome":"finished"}\n');
    new ProvenanceFile(file, origin(0)).end({ step: 2, outcome: 'finished' });
    await appendFile(file, '{"kind":"weather","time":"t"}\n{"kind":"beg');
    const [only, ...others] = await readProvenance(file);
    expect(others).toEqual([]);
    expect(only?.end?.step).toBe(2);
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace('"version"', '"colour":"blue","version"'));
    expect((await readProvenance(file))[0]).toEqual(only);
  });

  it('does not create a run again that was removed', async () => {
    const provenance = new ProvenanceFile(file, origin(0));
    await rm(file);
    provenance.end({ step: 0, outcome: 'failed' });
    expect(await readProvenance(file)).toEqual([]);
  });

  it('that cannot be written or read gives an error that names the file', async () => {
    await mkdir(file);
    expect(() => new ProvenanceFile(file, origin(0))).toThrow(AlexError);
    expect(() => new ProvenanceFile(file, origin(0))).toThrow(`${file}: could not be written: this is a directory`);
    await expect(readProvenance(file)).rejects.toThrow(DataError);
  });
});

describe('the report of a divergence', () => {
  it('is read without the layers; undefined if there is no file', async () => {
    expect(await readDivergence(file)).toBeUndefined();
    await writeFile(file, JSON.stringify({ step: 7, loss: 'NaN', goodStep: 5, began: 'conv2', layers: [{}] }));
    expect(await readDivergence(file)).toEqual({ step: 7, loss: 'NaN', goodStep: 5, began: 'conv2' });
  });

  it.each(['{', '{"step":"seven"}', 'null'])('is refused if the file is invalid: %s', async (text) => {
    await writeFile(file, text);
    await expect(readDivergence(file)).rejects.toThrow(`${file}: does not say how a training diverged; delete it`);
  });
});
