import { ConfigError, DataError } from '@alex/tensor';
import { ElsewhereError, type Stretch } from '@alex/trainer';
import { describe, expect, it } from 'vitest';
import { describeFailure } from '../failure.js';
import { teamsOn } from '../testing/teams.js';
import { microBatchFor, otherRounding } from './micro-batch.js';

/** What each rank prints and exits with. */
async function failures(works: readonly Promise<unknown>[]) {
  const settled = await Promise.allSettled(works);
  return settled.map((one) => (one.status === 'rejected' ? describeFailure(one.reason) : 'succeeded'));
}

describe('a team', () => {
  it('knows the machines of its ranks, and its place on its own', async () => {
    const { teams: all } = await teamsOn('alpha', 'beta', 'alpha');
    expect(all[0]!.describe()).toBe('3 processes on 2 machines (alpha: 0, 2; beta: 1)');
    expect(all.map(({ localRank }) => localRank)).toEqual([0, 0, 1]);
    expect((await teamsOn('alpha')).teams[0]!.describe()).toBe('1 process on 1 machine (alpha: 0)');
  });

  it('gives what work together comes to, and on rank 0 what only it does', async () => {
    const { teams: all } = await teamsOn('a', 'b');
    const done = all.map(async (team) => {
      const together = await team.together(async () => team.cluster.rank);
      const first = await team.onFirst(async () => 'plan');
      return [
        together,
        first,
        Buffer.from(await team.fromFirst(first === undefined ? undefined : Buffer.from(first))).toString(),
      ];
    });
    expect(await Promise.all(done)).toEqual([
      [0, 'plan', 'plan'],
      [1, undefined, 'plan'],
    ]);
  });

  it('fails everywhere with one message, which rank 0 prints', async () => {
    const { teams: all } = await teamsOn('a', 'b', 'c');
    const everywhere = all.map((team) => team.together(() => Promise.reject(new ConfigError('no data'))));
    expect(await failures(everywhere)).toEqual([{ line: 'error: no data', code: 2 }, { code: 2 }, { code: 2 }]);

    const first = all.map((team) => team.onFirst(() => Promise.reject(new DataError('torn'))));
    expect(await failures(first)).toEqual([{ line: 'error: torn', code: 1 }, { code: 1 }, { code: 1 }]);

    const last = all.map((team) =>
      team.together(async () => {
        if (team.cluster.rank > 0) throw new DataError('no such folder');
      }),
    );
    expect(await failures(last)).toEqual([
      { line: 'error: rank 1 on b, rank 2 on c: no such folder', code: 1 },
      { code: 1 },
      { code: 1 },
    ]);
  });

  it('names ranks that differ', async () => {
    const { teams: all } = await teamsOn('a', 'b', 'c');
    const alike = all.map((team) => team.checkAlike({ version: '1' }));
    expect(await failures(alike)).toEqual(['succeeded', 'succeeded', 'succeeded']);
    const different = all.map((team) =>
      team.checkAlike({ version: '1', 'the recipe': team.cluster.rank === 1 ? 'y' : 'x' }),
    );
    expect((await failures(different))[0]).toEqual({
      line: 'error: the ranks do not agree on the recipe: x on rank 0 (a), y on rank 1 (b); start all of them with the same command and version',
      code: 2,
    });
  });

  it('ends all ranks on an error that the others do not know, after the message of the rank that has it', async () => {
    const { teams: all, aborted } = await teamsOn('a', 'b');
    await all[1]!.end(new DataError('cannot read x.png'));
    await all[0]!.end(new ElsewhereError('rank 0: full disk'));
    expect(aborted).toEqual(['rank 1: cannot read x.png', 'rank 0: undefined']);
  });
});

describe('the micro-batch of a rank', () => {
  it.each([
    [128, 4, 128, 32],
    [128, 4, 32, 32],
    [128, 4, 24, 16],
    [12, 3, 4, 4],
    [12, 1, 12, 12],
    [30, 2, 10, 5],
  ])('%i images on %i ranks, %i wanted: %i', (batch, ranks, wanted, expected) => {
    const own = microBatchFor(batch, ranks, wanted);
    expect(own).toBe(expected);
    expect((batch / ranks) % own).toBe(0);
  });

  it.each([
    // One process, or as many ranks as it has micro-batches.
    [1, 4, 3, 4, undefined],
    [3, 4, 1, 4, undefined],
    [1, 12, 1, 12, undefined],
    [3, 4, 2, 6, 'sum of 3 x 4 images, and are that of 2 x 6 images'],
    [1, 2, 3, 2, "sum of 6 x 2 images, and are that of 3 ranks' sums of 2 x 2 images"],
    [2, 3, 1, 3, "sum of 2 ranks' sums of 2 x 3 images, and are that of 4 x 3 images"],
  ])(
    '%i ranks of %i images, resumed by %i of %i, say whether sums are rounded alike',
    (ranks, own, now, other, expected) => {
      const before =
        ranks === 1 ? [] : [{ ranks: { hosts: Array.from({ length: ranks }, () => 'a') } } as unknown as Stretch];
      const remark = otherRounding(before, { batch: 12, microBatch: own }, now, other);
      if (expected === undefined) expect(remark).toBeUndefined();
      else expect(remark).toContain(expected);
    },
  );

  it('refuses a batch that cannot be divided', () => {
    expect(() => microBatchFor(128, 3, 128)).toThrow(
      '--batch 128 cannot be divided among 3 ranks; give a multiple of 3, such as 129',
    );
  });
});
