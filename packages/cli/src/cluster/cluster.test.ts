import { cp, readdir, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { temporaryFolder } from '../../../../temporary.base.js';
import { type InstalledMpi, installedMpis } from '../../../cluster/src/testing.js';
import { runCommand, untilMeasured } from '../testing/command.js';
import { launchRanks, noneIn, type RankGroup, ranksIn } from '../testing/ranks.js';

const folder = temporaryFolder();
const mpis = installedMpis();
const training = ['train', '--model', 'small', '--data', 'emoji', '--classes', '4', '--batch', '12', '--seed', '3'];

const launch = (mpi: InstalledMpi, groups: readonly RankGroup[]) =>
  launchRanks(mpi, groups, { folder, bundle: inject('bundle') });

async function sameWeights(run: string, other: string): Promise<boolean> {
  const weights = await Promise.all([run, other].map((path) => readFile(join(path, 'weights.safetensors'))));
  return weights[0]!.equals(weights[1]!);
}

if (mpis.length === 0) {
  it.skip('MPI is not installed here (Debian: openmpi-bin or mpich): --cluster is not tried', () => undefined);
}

/** A run of one process with as many micro-batches as there are ranks in the others. */
let alone: Promise<string> | undefined;
const common = [...training, '--steps', '4', '--checkpoint-every', '2', '--evaluate-every', '2'];
async function trainedAlone(): Promise<string> {
  const path = join(folder, 'alone');
  expect((await runCommand([...common, '--micro-batch', '6', '--run', path])).code).toBe(0);
  return path;
}

const namesOf = (mpi: InstalledMpi) => (name: string) => join(folder, `${mpi.name.replace(' ', '-')}-${name}`);

// Each start of a rank compiles kernels for seconds, so this takes one MPI. The tests of @alex/cluster compare what both send, and
// `npm run soak:ranks -- --mpi NAME` kills and resumes runs of either.
describe.each(mpis.slice(0, 1))('ranks of $name', (mpi) => {
  const run = namesOf(mpi);

  it('one of which was killed resume to the bytes of one process with as many micro-batches, as does one process', async () => {
    const [together, resumed] = [run('together'), run('resumed')];
    alone ??= trainedAlone();
    await alone;
    // More images than a rank has: the same command must be able to resume the run.
    const command = [...common, '--micro-batch', '8', '--run', together, '--cluster', 'mpi'];
    const begun = launch(mpi, [[2, command]]);
    await untilMeasured(begun, together);
    process.kill((await ranksIn(folder, 2)).get(1)!, 'SIGKILL');
    expect((await begun.ended).code).not.toBe(0);
    await noneIn(folder);
    // A copied lock would seem to be that of another machine, and would be watched for half a minute.
    await cp(together, resumed, { recursive: true, filter: (path) => !basename(path).startsWith('.lock') });

    const trace = `${together}.json`;
    const { code, stdout } = await launch(mpi, [[2, [...command, '--resume', '--trace', trace]]]).ended;
    expect(code, stdout).toBe(0);
    expect(stdout).toMatch(/Training together: 2 processes on 1 machine \(.*: 0, 1\)/);
    expect(stdout.match(/Validation: top-1 error/g)).toHaveLength(1);
    expect(await sameWeights(together, await alone)).toBe(true);
    const { traceEvents } = JSON.parse(await readFile(trace, 'utf8')) as {
      traceEvents: { pid: number; args: { name?: string; from?: string } }[];
    };
    for (const rank of [0, 1]) {
      const own = traceEvents.filter(({ pid }) => pid === rank);
      expect(own[0]!.args.name).toMatch(`rank ${rank} on ${hostname()}: `);
      expect(own.some(({ args }) => args.from === 'all ranks')).toBe(true);
    }
    expect((await readdir(together)).filter((name) => name.endsWith('.log')).sort()).toEqual(['rank-1.log']);
    expect(await readFile(join(together, 'rank-1.log'), 'utf8')).toMatch(/step 4/);

    // One process adds up its two micro-batches as two ranks do.
    const { code: end, stdout: text, stderr } = await runCommand(['train', '--run', resumed, '--resume']);
    expect(end, stderr).toBe(0);
    expect(text).not.toMatch(/up to rounding/);
    expect(await sameWeights(resumed, await alone)).toBe(true);
  });

  it('evaluate to the numbers of one process', async () => {
    const evaluating = ['evaluate', '--run', `${run('together')},${run('resumed')}`, '--json'];
    const result = JSON.parse((await runCommand(evaluating)).stdout) as object;
    const evaluated = await launch(mpi, [[2, [...evaluating, '--cluster', 'mpi']]]).ended;
    expect(JSON.parse(/^\{.*\}$/m.exec(evaluated.stdout)![0])).toEqual(result);
  });
});

describe.each(mpis)('ranks of $name', (mpi) => {
  const run = namesOf(mpi);

  it('say once what is wrong with all of them', async () => {
    const path = run('wrong');
    const { code, stdout } = await launch(mpi, [
      [2, [...training, '--batch', '13', '--steps', '2', '--run', path, '--cluster', 'mpi']],
    ]).ended;
    expect(code).not.toBe(0);
    expect(stdout.match(/error: .*/g)).toEqual([
      'error: --batch 13 cannot be divided among 2 ranks; give a multiple of 2, such as 14',
    ]);
  });

  it('that differ are named, before anything is written', async () => {
    const path = run('different');
    const args = (seed: string) => [...training, '--steps', '2', '--run', path, '--cluster', 'mpi', '--seed', seed];
    const { code, stdout } = await launch(mpi, [
      [1, args('1')],
      [1, args('2')],
    ]).ended;
    expect(code).not.toBe(0);
    expect(stdout).toMatch(/error: the ranks do not agree on the options .* on rank 1 \(/);
    expect(await readdir(folder)).not.toContain(path);
  });

  it('of which one lacks the data say which', async () => {
    const path = run('no-data');
    const args = (data: string) => [
      ...['train', '--model', 'small', '--batch', '4', '--steps', '2', '--run', path, '--cluster', 'mpi'],
      ...['--data', data],
    ];
    const { code, stdout } = await launch(mpi, [
      [1, args('emoji')],
      [1, args(join(folder, 'nothing'))],
    ]).ended;
    expect(code).not.toBe(0);
    expect(stdout).toMatch(/error: rank 1 on \S+: .*nothing/);
  });

  it('started without --cluster do not train beside each other', async () => {
    const path = run('apart');
    const { code, stdout } = await launch(mpi, [[2, [...training, '--steps', '2', '--run', path]]]).ended;
    expect(code).not.toBe(0);
    expect(stdout).toMatch(/a launcher started 2 processes of this command; add --cluster mpi/);
    await expect(readdir(path)).rejects.toThrow('ENOENT');
  });
});

// With one MPI, since its part is tested in @alex/cluster.
describe.skipIf(mpis.length === 0)('ranks', () => {
  it('end with one message if the disk of rank 0 is full, and leave nothing half written', async () => {
    const path = join(folder, 'full');
    const args = [...common, '--run', path, '--cluster', 'mpi'];
    const { code, stdout } = await launch(mpis[0]!, [
      [1, args, 'full-disk.js'],
      [1, args],
    ]).ended;
    expect(code).not.toBe(0);
    expect(stdout.match(/(?:rank \d on|error:) .*/g)).toEqual([
      `rank 0 on ${hostname()}: ${join(path, 'checkpoints', 'step-00000002.safetensors')}: could not be written: ` +
        'no space is left on the disk; free some space or choose a directory on another disk',
    ]);
    const files = await readdir(path, { recursive: true });
    expect(files.filter((name) => name.includes('safetensors'))).toEqual([]);
    await noneIn(folder);
  });
});

describe('without --cluster', () => {
  it('its other options are refused', async () => {
    const { code, stderr } = await runCommand([
      ...training,
      '--run',
      join(folder, 'x'),
      '--cluster-precision',
      'float16',
    ]);
    expect([code, stderr]).toEqual([
      2,
      'error: --cluster-precision needs --cluster mpi, and changes nothing without it\n',
    ]);
  });
});
