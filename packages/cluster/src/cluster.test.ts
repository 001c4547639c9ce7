import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { ConfigError } from '@alex/tensor';
import { fromHalves, toHalves } from '@alex/tensor/kernels';
import { afterAll, describe, expect, it } from 'vitest';
import { ClusterError, openCluster } from './index.js';
import { addends } from './ranks.fixture.js';
import { installedMpis, launch } from './testing.js';

const mpis = installedMpis();
const temporaryFolder = mkdtempSync(join(tmpdir(), 'alex-cluster-'));
afterAll(() => rmSync(temporaryFolder, { recursive: true, force: true }));
const size = 3;

/** Adds up the values of all ranks, from first to last, with each sum rounded to float32. */
function sums(count: number, ranks = size): number[] {
  const all = Array.from({ length: ranks }, (_, rank) => addends(rank, count));
  return Array.from({ length: count }, (_, i) =>
    all.slice(1).reduce((sum, one) => Math.fround(sum + one[i]!), all[0]![i]!),
  );
}

/** Waits until a process has ended. It may still exist as a zombie until its parent requests its exit code. */
async function ended(pid: unknown): Promise<void> {
  const isRunning = () => {
    try {
      return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    } catch {
      return false;
    }
  };
  while (isRunning()) await setImmediate();
}

if (mpis.length === 0) {
  it.skip('MPI is not installed here (Debian: openmpi-bin or mpich): ranks are not tried', () => undefined);
}

describe.each(mpis)('ranks of $name', (mpi) => {
  it('add up in rank order, broadcast, exchange and gather pieces of any length', async () => {
    const { code, output, found } = await launch(mpi, size, 'operations');
    expect(code, output).toBe(0);
    const half = (value: number) => fromHalves(toHalves([value]))[0]!;
    const halves = Array.from({ length: 5 }, (_, i) => {
      const all = [0, 1, 2].map((rank) => half(addends(rank, 5)[i]!));
      const sum = all.slice(1).reduce((sum, one) => Math.fround(sum + one), all[0]!);
      return half(Math.fround(sum * Math.fround(1 / 3)));
    });
    for (const [rank, one] of found.entries()) {
      expect(one).toEqual({
        rank,
        size,
        library: expect.stringMatching(mpi.name),
        sums: [0, 1, 5, 1000].map((count) => sums(count)),
        halves,
        unshared: [3, 1.5],
        broadcast: [9, 9, 9],
        allToAll: [0, 1, 2].map((from) => `${from}>${rank}`.repeat(rank)),
        gather: rank === 1 ? ['', 'x', 'xx'] : [],
        allGather: ['rank 0', 'rank 1', 'rank 2'],
      });
    }
  });

  it('move what is too large for one call in rounds', async () => {
    const { code, output, found } = await launch(mpi, size, 'rounds');
    expect(code, output).toBe(0);
    for (const [rank, one] of found.entries()) {
      expect(one).toEqual({
        sums: sums(101),
        broadcast: Array(100).fill(2),
        received: [0, 1, 2].map((from) => Array(17 * rank + from).fill(10 * from + rank)),
      });
    }
  });

  it('that differ in their operations are named, and nothing is done afterwards', async () => {
    const { code, output, found } = await launch(mpi, 2, 'apart');
    expect(output).not.toMatch(/unhandled/i);
    expect(code, output).not.toBeNull();
    for (const [rank, one] of found.entries()) {
      const [first, second] = one as string[];
      expect(first).toMatch(`the ranks differ: rank ${rank} is about to do`);
      expect(first).toMatch(`rank ${1 - rank} to do`);
      expect(second).toBe(first);
    }
  });

  it('that are waited for too long are an error that names them, with their host', async () => {
    const { found, output } = await launch(mpi, 2, 'late');
    expect(found[0], output).toEqual(
      `waited 0.2 s for rank 1 on ${hostname()} in an exchange: it hangs, is gone, or cannot be reached`,
    );
  });

  it('of which one hangs end with one message that names it', async () => {
    const { code, output, found } = await launch(mpi, 3, 'hanging');
    expect(code).not.toBe(0);
    expect(output.match(/rank \d on \S+: waited .*/g)).toEqual([
      `rank 0 on ${hostname()}: waited 3 s for rank 1 on ${hostname()} in an exchange: it hangs, is gone, or cannot be reached`,
    ]);
    await Promise.all(found.map(ended));
  });

  it('end if one of them is killed, and leave no process behind', async () => {
    const { code, found } = await launch(mpi, 2, 'killed');
    expect(code).not.toBe(0);
    await Promise.all(found.map(ended));
  });

  it('end together if one aborts, with a message that names it', async () => {
    const { code, output, found } = await launch(mpi, 2, 'aborted');
    expect(code).not.toBe(0);
    expect(output).toMatch(/rank 1 on \S+: the disk is full/);
    await ended(found[0]);
  });

  it('refuse wrong use before anything moves', async () => {
    const { found } = await launch(mpi, 2, 'wrongUse');
    expect(found[0]).toEqual([
      'root must be a rank from 0 to 1, got 2',
      'root must be a rank from 0 to 1, got -1',
      'allToAll takes a piece for each of the 2 ranks, got 0',
      'wire must be float32 or float16, got bfloat16',
      "sum: unknown option 'wired'; known: wire, factor",
      'sum takes a Float32Array, got Array; use Float32Array.from(values)',
      'broadcast takes a Uint8Array, got Array; use Uint8Array.from(values)',
      'allGather takes a Uint8Array, got Undefined; use Uint8Array.from(values)',
    ]);
  });

  it('that another MPI started are refused: each would think that it is alone', async () => {
    const variable = mpi.name === 'MPICH' ? 'PMI_SIZE' : 'OMPI_COMM_WORLD_SIZE';
    const { code, output } = await launch(
      { ...mpi, launcher: 'env', arguments: [`${variable}=2`] },
      undefined,
      'operations',
    );
    expect(code).not.toBe(0);
    expect(output).toMatch(/mpirun started 2 processes, but .* sees 1: they are of different kinds or versions/);
  });
});

describe('a process alone', () => {
  const opened: { close(): Promise<void> }[] = [];
  afterAll(async () => {
    for (const cluster of opened) await cluster.close();
  });

  it('says what to install if no library can be loaded', async () => {
    await expect(openCluster({ libraries: ['libnothing.so'] })).rejects.toThrow(ClusterError);
    await expect(openCluster({ libraries: ['libnothing.so'] })).rejects.toThrow(
      /no MPI library could be loaded \(.*libnothing.so.*\). Install Open MPI \(Debian: openmpi-bin\) or MPICH \(Debian: mpich\)/,
    );
  });

  it('refuses a library that is not MPI', async () => {
    await expect(openCluster({ libraries: ['libc.so.6'] })).rejects.toThrow(/libc.so.6 is not an MPI library/);
  });

  it('refuses an unknown option', async () => {
    await expect(openCluster({ timelimit: 1 } as never)).rejects.toThrow(ConfigError);
    await expect(openCluster({ timelimit: 1 } as never)).rejects.toThrow(
      "openCluster: unknown option 'timelimit'; known: timeLimit, libraries",
    );
  });

  it('refuses an invalid time limit', async () => {
    await expect(openCluster({ timeLimit: 0 })).rejects.toThrow('timeLimit must be a number of seconds above 0, got 0');
  });

  // This test is last: an initialized library leaves its variables in the environment.
  it.skipIf(mpis.length === 0)('is the only rank', async () => {
    // Open MPI keeps files there, also after the end.
    process.env['OMPI_MCA_orte_tmpdir_base'] = temporaryFolder;
    const cluster = await openCluster();
    opened.push(cluster);
    expect([cluster.rank, cluster.size]).toEqual([0, 1]);
    expect([...(await cluster.sum(Float32Array.of(1, 2), { factor: 2 }))]).toEqual([2, 4]);
    expect(await cluster.allGather(new Uint8Array([5]))).toEqual([new Uint8Array([5])]);
    await cluster.close();
    await expect(cluster.barrier()).rejects.toThrow('the cluster was closed');
  });
});
