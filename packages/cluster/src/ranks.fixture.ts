/**
 * A rank of the tests: `node ranks.fixture.ts CASE FOLDER`. It writes its results to `FOLDER/RANK.json`.
 */
import { existsSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Cluster, openCluster } from './index.js';
import { Mpi } from './mpi.js';
import { operate } from './operations.js';

const [name, folder] = process.argv.slice(2) as [string, string];

const say = (rank: number, found: unknown) => writeFileSync(join(folder, `${rank}.json`), JSON.stringify(found));
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const messageOf = (error: unknown) => (error as Error).message;

/** Values of a rank whose sums depend on the order of adding. */
export function addends(rank: number, count: number): Float32Array<SharedArrayBuffer> {
  const values = new Float32Array(new SharedArrayBuffer(4 * count));
  for (let i = 0; i < count; i++) values[i] = Math.sin(1 + i * 7 + rank * 13) * 10 ** ((i + rank) % 4);
  return values;
}

/** Waits until a file exists in the folder. */
async function fileThere(file: string): Promise<void> {
  while (!existsSync(join(folder, file))) {
    await new Promise<void>((resolve) => {
      const watcher = watch(folder, () => {
        watcher.close();
        resolve();
      });
      // It may have been created between the check and the watch.
      if (existsSync(join(folder, file))) {
        watcher.close();
        resolve();
      }
    });
  }
}

const cases: Record<string, (cluster: Cluster) => Promise<unknown>> = {
  async operations(cluster) {
    const { rank, size } = cluster;
    const sums = [0, 1, 5, 1000].map((count) => cluster.sum(addends(rank, count)));
    const halves = await cluster.sum(addends(rank, 5), { wire: 'float16', factor: 1 / 3 });
    await cluster.barrier();
    const unshared = await cluster.sum(Float32Array.of(rank, 0.5));
    return {
      rank,
      size,
      library: cluster.library,
      sums: (await Promise.all(sums)).map((values) => [...values]),
      halves: [...halves],
      unshared: [...unshared],
      broadcast: [...(await cluster.broadcast(new Uint8Array(3).fill(rank + 7), size - 1))],
      allToAll: (
        await cluster.allToAll(Array.from({ length: size }, (_, to) => Buffer.from(`${rank}>${to}`.repeat(to))))
      ).map(text),
      gather: (await cluster.gather(Buffer.from('x'.repeat(rank)), 1)).map(text),
      allGather: (await cluster.allGather(Buffer.from(`rank ${rank}`))).map(text),
    };
  },
  async apart(cluster) {
    const wrong = cluster.rank === 1 ? cluster.barrier() : cluster.sum(addends(0, 4));
    const first = await wrong.then(() => 'nothing', messageOf);
    return [first, await cluster.barrier().then(() => 'nothing', messageOf)];
  },
  async late(cluster) {
    if (cluster.rank === 1) {
      await fileThere('0.json');
      return 'late';
    }
    const message = await cluster.barrier().then(() => 'nothing', messageOf);
    if (cluster.rank === 0) return message;
    // Rank 0 has already reported it, and ended this process.
    return cluster.abort(message);
  },
  async hanging(cluster) {
    await cluster.barrier();
    say(cluster.rank, process.pid);
    if (cluster.rank === 1) {
      await fileThere('0.json');
      await fileThere('2.json');
      process.kill(process.pid, 'SIGSTOP');
    }
    return cluster.barrier().catch((error: Error) => cluster.abort(error.message));
  },
  async killed(cluster) {
    await cluster.barrier();
    say(cluster.rank, process.pid);
    if (cluster.rank === 1) {
      await fileThere('0.json');
      process.kill(process.pid, 'SIGKILL');
    }
    return cluster.barrier();
  },
  async aborted(cluster) {
    say(cluster.rank, process.pid);
    if (cluster.rank === 1) {
      await fileThere('0.json');
      await cluster.abort('the disk is full');
    }
    return cluster.barrier();
  },
  async wrongUse(cluster) {
    const wrong = [
      cluster.broadcast(new Uint8Array(1), cluster.size),
      cluster.gather(new Uint8Array(1), -1),
      cluster.allToAll([]),
      cluster.sum(new Float32Array(1), { wire: 'bfloat16' as never }),
      cluster.sum(new Float32Array(1), { wired: 'float16' } as never),
      cluster.sum([1] as never),
      cluster.broadcast([1] as never),
      cluster.allGather(undefined as never),
    ];
    return Promise.all(wrong.map((one) => one.then(() => 'nothing', messageOf)));
  },
};

if (name === 'rounds') {
  // In this thread, in rounds of a few bytes.
  const mpi = new Mpi(process.env, undefined, 600_000);
  const { rank, size } = mpi;
  const options = { limit: 600_000, bytesOfRound: 24 };
  const values = addends(rank, 101);
  operate(mpi, { kind: 'sum', values, wire: 'float32', factor: 1 }, options);
  const memory = new Uint8Array(new SharedArrayBuffer(100)).fill(rank + 1);
  operate(mpi, { kind: 'broadcast', memory, root: 1 }, options);
  const pieces = Array.from({ length: size }, (_, to) =>
    new Uint8Array(new SharedArrayBuffer(17 * to + rank)).fill(10 * rank + to),
  );
  const received = operate(mpi, { kind: 'allToAll', pieces }, options);
  say(rank, { sums: [...values], broadcast: [...memory], received: received.map((bytes) => [...bytes]) });
  mpi.finalize();
} else if (name) {
  const timeLimit = name === 'late' ? 0.2 : name === 'hanging' ? 3 : 600;
  const cluster = await openCluster({ timeLimit });
  say(cluster.rank, await cases[name]!(cluster));
  // Ranks that failed end without MPI_Finalize, for which a launcher may kill the others.
  if (name === 'apart') await fileThere(`${1 - cluster.rank}.json`);
  if (name === 'late') process.exit(1);
  await cluster.close();
}
