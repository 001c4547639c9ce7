import { expect, it } from 'vitest';
import { teamsOn } from '../testing/teams.js';
import { clockOffsets } from './clocks.js';
import { joined } from './trace-together.js';

it('the clocks of ranks are known within bounds, which hold', async () => {
  const { teams } = await teamsOn('a', 'b', 'c');
  // Every look at a clock takes a different time.
  let [time, looks] = [0, 0];
  const ahead = [1000, 1700, -300];
  const measured = teams.map((team, rank) =>
    clockOffsets(team.cluster, () => {
      time += 1 + (looks++ % 7);
      return time + ahead[rank]!;
    }),
  );
  const [first, ...others] = await Promise.all(measured);
  for (const [rank, { offset, within }] of first!.entries()) {
    expect(within).toBeLessThan(20);
    expect(Math.abs(offset - (ahead[0]! - ahead[rank]!))).toBeLessThanOrEqual(within);
  }
  expect(first![0]!.offset).toBe(0);
  expect(others).toEqual([first, first]);
});

it('the adapters of all ranks are numbered together, on one time line', () => {
  const timing = { label: 'fc6/forward', bytes: 4, milliseconds: 2 };
  const events = joined([
    { adapters: ['rank 0: x', 'rank 0: y'], timings: [{ ...timing, start: 12, adapter: 1, from: 0 }] },
    {
      adapters: ['rank 1: z'],
      timings: [
        { ...timing, start: 10 },
        { ...timing, label: 'fc6.weight', start: 13, from: 0 },
      ],
    },
  ]) as { ph: string; pid: number; ts?: number; args: { name?: string; from?: string } }[];
  expect(events.filter(({ ph }) => ph === 'X').map(({ pid, ts, args }) => [pid, ts, args.from])).toEqual([
    [1, 2000, 'rank 0: x'],
    [2, 0, undefined],
    [2, 3000, 'all ranks'],
  ]);
  expect(events.filter(({ args }) => args.name?.startsWith('rank')).map(({ pid }) => pid)).toEqual([0, 1, 2]);
});
