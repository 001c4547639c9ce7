import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { prepareDataset } from '@alex/data';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { temporaryFolder } from '../../../../temporary.base.js';
import { installedMpis } from '../../../cluster/src/testing.js';
import { describeFailure } from '../failure.js';
import { writeImages } from '../testing/images.js';
import { launchRanks, noneIn, processesIn, ranksIn } from '../testing/ranks.js';
import { teamsOn } from '../testing/teams.js';
import { prepareTogether } from './prepare-together.js';

const folder = temporaryFolder();
const from = join(folder, 'images');
const inside = (name: string) => join(folder, name);

beforeAll(() => writeImages(from, ['blue', 'green', 'red']));

/** All files of a prepared folder, by name. */
async function contentOf(to: string): Promise<Record<string, string>> {
  const names = (await readdir(to)).sort();
  const files = await Promise.all(names.map(async (name) => [name, await readFile(join(to, name), 'base64')]));
  return Object.fromEntries(files);
}

describe('ranks in this process', () => {
  /** Thirteen shards: two ranks make them in two rounds. */
  const preparation = (to: string) => ({ from, to, size: 28, imagesPerShard: 2 });
  const alone = inside('alone');
  beforeAll(() => prepareDataset(preparation(alone)));

  it.each([1, 2, 3])('%i prepare what one process prepares, byte for byte', async (size) => {
    const to = inside(`together-${size}`);
    const { teams } = await teamsOn(...Array.from({ length: size }, (_, rank) => `host${rank}`));
    const counts: number[] = [];
    const prepared = teams.map((team) =>
      prepareTogether(team, {
        ...preparation(to),
        onEvent: (event) => void (team.isFirst && event.kind === 'images' && counts.push(event.done)),
      }),
    );
    const [first, ...others] = await Promise.all(prepared);
    expect(first!.manifest.splits.train.images).toBe(21);
    expect(others.every((one) => one === undefined)).toBe(true);
    expect(await contentOf(to)).toEqual(await contentOf(alone));
    expect([counts[0], counts.at(-1)]).toEqual([0, 24]);

    const again = await Promise.all(teams.map((team) => prepareTogether(team, preparation(to))));
    expect(again[0]!.alreadyThere).toBe(true);
  });

  it('stop together, and another number of them continues', async () => {
    const to = inside('stopped');
    const { teams } = await teamsOn('a', 'b');
    const signal = AbortSignal.abort();
    const stopped = await Promise.allSettled(
      teams.map((team) => prepareTogether(team, { ...preparation(to), ...(!team.isFirst && { signal }) })),
    );
    expect(stopped.map((one) => one.status === 'rejected' && one.reason.message)).toEqual(
      teams.map(() => 'stopped; finished shards are kept'),
    );
    expect(await readdir(to)).toContain('train-000000.tar');
    expect(await readdir(to)).not.toContain('dataset.json');

    const { teams: more } = await teamsOn('a', 'b', 'c');
    await Promise.all(more.map((team) => prepareTogether(team, preparation(to))));
    expect(await contentOf(to)).toEqual(await contentOf(alone));
  });

  it('fail with one message if too many images are unusable, wherever they are', async () => {
    const broken = inside('broken');
    await cp(from, broken, { recursive: true });
    await writeFile(join(broken, 'red', 'zz.png'), 'nothing');
    const { teams } = await teamsOn('a', 'b');
    const to = inside('to-broken');
    const failed = await Promise.allSettled(
      teams.map((team) => prepareTogether(team, { ...preparation(to), from: broken })),
    );
    const said = failed.map((one) => one.status === 'rejected' && describeFailure(one.reason).line);
    expect(said).toEqual([expect.stringMatching(/^error: 1 of 25 images .*zz\.png/), undefined]);
  });
});

// With one MPI, as in cluster.test.ts.
describe.each(installedMpis().slice(0, 1))('ranks of $name', (mpi) => {
  const prepare = (size: number, to: string, ...more: string[]) => {
    const args = ['prepare', '--from', from, '--to', to, '--size', '28', '--cluster', 'mpi', ...more];
    return launchRanks(mpi, [[size, args]], { folder, bundle: inject('bundle') });
  };
  const one = inside(`one-${mpi.name.replace(' ', '-')}`);
  const many = inside(`many-${mpi.name.replace(' ', '-')}`);
  beforeAll(() => prepareDataset({ from, to: one, size: 28 }));

  /** The process in which rank 1 makes shards, as soon as there is one, and rank 1. */
  async function shardProcess(): Promise<{ readonly pid: number; readonly parent: number }> {
    const parent = (await ranksIn(folder, 2)).get(1)!;
    while (true) {
      const made = (await processesIn(folder)).find(({ pid, rank }) => rank === 1 && pid !== parent);
      if (made) return { pid: made.pid, parent };
      await setImmediate();
    }
  }

  it('say which of them cannot make its shards', async () => {
    const begun = prepare(2, many);
    process.kill((await shardProcess()).pid, 'SIGKILL');
    const { code, stdout } = await begun.ended;
    expect(code).not.toBe(0);
    expect(stdout.match(/error: .*/g)).toEqual([
      expect.stringMatching(`^error: rank 1 on ${hostname()}: the process that made validation-000000.tar ended`),
    ]);
    await noneIn(folder);
  });

  it('one of which was killed continue, in another number, to the bytes of one process', async () => {
    const begun = prepare(2, many);
    const { pid, parent } = await shardProcess();
    // It must not finish before its rank is killed.
    process.kill(pid, 'SIGSTOP');
    process.kill(parent, 'SIGKILL');
    process.kill(pid, 'SIGCONT');
    expect((await begun.ended).code).not.toBe(0);
    await noneIn(folder);
    expect(await readdir(many)).not.toContain('dataset.json');

    const { code, stdout } = await prepare(3, many).ended;
    expect(code, stdout).toBe(0);
    expect(stdout).toMatch(/Preparing together: 3 processes on 1 machine/);
    expect(stdout.match(/Train on them with/g)).toHaveLength(1);
    expect(await contentOf(many)).toEqual(await contentOf(one));
  });

  it('that differ in their options are named', async () => {
    const args = (size: string) => ['prepare', '--from', from, '--to', inside('apart'), '--size', size];
    const { code, stdout } = await launchRanks(
      mpi,
      [
        [1, [...args('28'), '--cluster', 'mpi']],
        [1, [...args('32'), '--cluster', 'mpi']],
      ],
      { folder, bundle: inject('bundle') },
    ).ended;
    expect(code).not.toBe(0);
    expect(stdout).toMatch(/error: the ranks do not agree on the options .* on rank 1 \(/);
    expect(await readdir(folder)).not.toContain('apart');
  });
});
