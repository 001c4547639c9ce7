import { expect, it, vi } from 'vitest';
import { ConfigError } from '../errors.js';
import type { Tunable } from '../kernel/recorder.js';
import { TrialProcess, type Verdict } from '../kernel/trial-process.js';
import { createTuningCache, exportTunings, importTunings } from '../kernel/tuning-cache.js';
import { testGpu } from '../testing.js';

// The browser's platform, with the adapters of Node: what a page cannot do.
vi.mock('#platform', async () => {
  const { platform } = await import('./browser.js');
  const { findAdapters } = await import('./node-adapters.js');
  return { platform: { ...platform, findAdapters, variable: (name: string) => process.env[name] } };
});

it('risky candidates are not tried', async () => {
  const tunable = { candidates: [1, 2], plain: 0 } as unknown as Tunable<unknown>;
  const verdicts: Verdict[] = [];
  for await (const verdict of new TrialProcess(await testGpu()).try(tunable, [1, 2])) verdicts.push(verdict);
  expect(verdicts.map(({ choice, dangerous }) => ({ choice, dangerous }))).toEqual([
    { choice: 1, dangerous: false },
    { choice: 2, dangerous: false },
  ]);
  expect(verdicts[0]!.fault).toMatch(/a separate process, which a browser does not have/);
});

it('tunings are not written to files, and not read from them', async () => {
  const gpu = await testGpu();
  for (const transfer of [exportTunings, importTunings]) {
    await expect(transfer('file', gpu)).rejects.toThrow(ConfigError);
  }
});

it('a cache without a database says so once, and tuning continues', async () => {
  const problems: string[] = [];
  const cache = createTuningCache('tunings', { onProblem: (message) => problems.push(message) });
  const adapter = { name: 'Some GPU', driver: '1' };
  await cache.save(adapter, new Map());
  expect(await cache.load(adapter)).toEqual(new Map());
  expect(problems).toEqual([
    expect.stringMatching(/^tunings\/some-gpu-[0-9a-f]{8}\.json: cannot be read: this browser has no IndexedDB/),
    expect.stringMatching(/cannot be written/),
  ]);
});

it('nothing is polled, so patience has no effect', async () => {
  // The setup of all tests has loaded it with the platform of Node.
  vi.resetModules();
  const { pollPatiently } = await import('../adapter/patient-polling.js');
  const plain = () => undefined;
  vi.stubGlobal('setImmediate', plain);
  pollPatiently();
  expect(globalThis.setImmediate).toBe(plain);
  vi.unstubAllGlobals();
});
