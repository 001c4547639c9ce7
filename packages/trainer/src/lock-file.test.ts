import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AlexError, ConfigError } from '@alex/tensor';
import { beforeEach, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { LockFile, type LockHolder, looks } from './lock-file.js';

const temporary = temporaryFolder();
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(temporary, 'run-'));
});

const [one, other, third]: LockHolder[] = [
  { host: 'pod-1', process: 7 },
  { host: 'pod-2', process: 7 },
  { host: 'pod-3', process: 8 },
] as const;

const nothing = async () => undefined;
const take = (holder: LockHolder, pause: () => Promise<unknown> = nothing, onWait?: (message: string) => void) =>
  LockFile.take(directory, { holder, pause, onWait });

describe('a lock between machines', () => {
  it('is a file that exists while it is held', async () => {
    const lock = await take(one);
    expect(await readdir(directory)).toEqual(['.lock-1']);
    expect(JSON.parse(await readFile(join(directory, '.lock-1'), 'utf8'))).toMatchObject({ ...one, beat: 0 });
    await lock.beat();
    await lock.check();
    await lock.release();
    expect(await readdir(directory)).toEqual([]);
  });

  it("is refused to others, with the holder's name, as soon as they have seen its heartbeat", async () => {
    const lock = await take(one);
    const said: string[] = [];
    let pauses = 0;
    // It beats rarely: only before the last check.
    const pause = async () => {
      if (++pauses === looks) await lock.beat();
    };
    const taken = take(other, pause, (message) => said.push(message));
    await expect(taken).rejects.toThrow(ConfigError);
    await expect(taken).rejects.toThrow(/is being trained by another process \(process 7 on pod-1\); wait for it/);
    expect(pauses).toBe(looks);
    expect(said).toEqual([
      expect.stringMatching(/may be being trained by another process \(process 7 on pod-1\), on another/),
    ]);
    await lock.check();
  });

  it('that is stale is taken over after a number of checks, whatever the clocks say', async () => {
    await take(one);
    let pauses = 0;
    const lock = await take(other, async () => {
      pauses += 1;
    });
    expect(pauses).toBe(looks);
    expect(await readdir(directory)).toEqual(['.lock-2']);
    await lock.check();
    await lock.release();
    expect(await readdir(directory)).toEqual([]);
  });

  it('that is released meanwhile is taken', async () => {
    const lock = await take(one);
    const next = await take(other, () => lock.release());
    await next.check();
    expect(await readdir(directory)).toEqual(['.lock-1']);
  });

  it('that is stale, by a holder of the same unique resource, is taken at once', async () => {
    await take({ ...one, place: 'machine socket' });
    const wait = () => {
      throw new Error('there is nothing to wait for');
    };
    const lock = await take({ ...one, process: 9, place: 'machine socket' }, wait, wait);
    await lock.check();
    await expect(take({ ...other, place: 'another machine' }, () => lock.beat())).rejects.toThrow('process 9 on pod-1');
  });

  it('whose holder died while writing its name counts as unchanged', async () => {
    await writeFile(join(directory, '.lock-3'), '');
    const said: string[] = [];
    const lock = await take(one, nothing, (message) => said.push(message));
    expect(said[0]).toContain('which has not given its name');
    expect(await readdir(directory)).toEqual(['.lock-4']);
    await lock.check();
  });

  it('stops a suspended holder after a takeover, before it writes anything', async () => {
    const still = await take(one);
    const lock = await take(other);
    await expect(still.check()).rejects.toThrow(AlexError);
    for (const wake of [() => still.check(), () => still.beat()]) {
      await expect(wake()).rejects.toThrow(
        /another process \(process 7 on pod-2\) has taken over the run while this process \(process 7 on pod-1\) was suspended/,
      );
    }
    // Releasing a lock that it no longer has does not affect the new holder.
    await still.release();
    await lock.check();
    // Not even if the new holder is gone, too, and the next one's file has the same name as its own.
    await lock.release();
    const next = await take(third);
    await expect(still.check()).rejects.toThrow(/process 8 on pod-3\) has taken over/);
    await still.release();
    await next.check();
  });

  it('says so if it was removed, or its directory', async () => {
    const lock = await take(one);
    await rm(join(directory, '.lock-1'));
    await expect(lock.check()).rejects.toThrow(/the lock of the run, which this process .* held, was removed/);
    await rm(directory, { recursive: true });
    await expect(lock.check()).rejects.toThrow(/was removed/);
    await lock.release();
  });

  it('is refused if its directory is not a directory', async () => {
    await writeFile(join(directory, 'file'), '');
    await mkdir(join(directory, 'other'));
    await rm(join(directory, 'other'), { recursive: true });
    for (const path of ['file', 'other']) {
      const taken = LockFile.take(join(directory, path), { holder: one, pause: nothing });
      await expect(taken).rejects.toThrow(AlexError);
    }
  });

  it.each([0, 1])('is given to one of many processes that ask at the same moment (%i stale)', async (left) => {
    for (let round = 0; round < 30; round++) {
      const [held] = left === 0 ? [] : [await take(third)];
      const asked = Array.from({ length: 6 }, (_, process) =>
        // The holder beats while the others check.
        take({ host: 'cluster', process }, async () => {
          for (const lock of taken) await lock.beat();
        }).then((lock) => taken.push(lock)),
      );
      const taken: LockFile[] = [];
      const results = await Promise.allSettled(asked);
      expect(taken).toHaveLength(1);
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(ConfigError);
      }
      await taken[0]!.check();
      await held?.release();
      await taken[0]!.check();
      await taken[0]!.release();
      expect(await readdir(directory)).toEqual([]);
    }
  });
});
