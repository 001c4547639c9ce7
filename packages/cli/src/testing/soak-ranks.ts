/**
 * Kills a random rank of a training run at a random moment, again and again, and resumes the run with as many ranks or with one
 * process. In the end, its weights must be those of an undisturbed run of one process, byte for byte. Another run goes on with
 * other numbers of ranks: up to rounding.
 *
 *   npm run soak:ranks -- --kills 20 --seed 1 --mpi mpich
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { streamOf, threefry2x32 } from '@alex/tensor/kernels';
import { RunDirectory } from '@alex/trainer';
import { type InstalledMpi, installedMpis } from '../../../cluster/src/testing.js';
import { bundleCommand } from '../../bundle.setup.js';
import { startCommand } from './command.js';
import { launchRanks, processesIn, ranksIn } from './ranks.js';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    mpi: { type: 'string', default: 'openmpi' },
  },
});
const [kills, seed] = [values.kills, values.seed].map(Number) as [number, number];
const mpi = mpiOf(values.mpi);

let draws = 0;
/** A uniform random number from 0 up to, but not including, 1. */
const draw = () => threefry2x32(seed, streamOf('soak'), draws++, 0)[0] / 2 ** 32;
const oneOf = <Value>(values: readonly Value[]) => values[Math.floor(draw() * values.length)]!;

const steps = 40;
const batch = 12;
/** The numbers of ranks that runs are resumed with. Those of a run whose `sums` are given add up its gradients alike. */
const runs: readonly { readonly sizes: readonly number[]; readonly sums?: number }[] = [
  { sizes: [2, 2, 1], sums: 2 },
  { sizes: [3, 3, 1], sums: 3 },
  { sizes: [2, 3, 1] },
];
/** A killed launch must have ended entirely after this many seconds. */
const patience = 30;

const bundle = await bundleCommand();
const directory = await mkdtemp(join(tmpdir(), 'alex-soak-'));
const say = (line: string) => process.stdout.write(`${line}\n`);
const failures: string[] = [];
function check(holds: boolean, what: string): void {
  if (holds) return;
  failures.push(what);
  say(`FAILED: ${what}`);
}

/** @param sums how many micro-batches one process has; without, whatever the ranks make of the batch */
const training = (run: string, sums?: number) => [
  ...['train', '--model', 'small', '--data', 'emoji', '--classes', '4', '--batch', `${batch}`, '--steps', `${steps}`],
  ...(sums === undefined ? [] : ['--micro-batch', `${batch / sums}`]),
  ...['--checkpoint-every', '2', '--evaluate-every', '10', '--seed', '3'],
  ...['--resume', '--run', run],
];
const weights = (run: string) => readFile(join(run, 'weights.safetensors'));
const linesOf = async (file: string) => (await readFile(file, 'utf8').catch(() => '')).split('\n').length - 1;

/** Starts a run, or resumes it, with so many ranks, or as one process without a launcher. */
function start(size: number, args: readonly string[]) {
  const alone = size === 1;
  if (alone) return startCommand(args, { bundle: bundle.url });
  return launchRanks(mpi, [[size, [...args, '--cluster', 'mpi']]], { folder: directory, bundle: bundle.url });
}

/** Kills a rank; resolves when everything has ended, with what was said and whether the run had already finished. */
async function killRank(run: string, size: number, args: readonly string[]) {
  const running = start(size, args);
  const victim = Math.floor(draw() * size);
  // A third of the kills hit the start, before there is anything to save; the others a step, a checkpoint or an evaluation.
  const early = draw() < 1 / 3;
  const [wait, wanted] = [draw(), Math.floor(1 + draw() * 10)];
  const metrics = join(run, 'metrics.jsonl');
  const before = await linesOf(metrics);
  const processes = size === 1 ? new Map([[0, running.process.pid!]]) : await ranksIn(directory, size);
  let ended = false;
  running.ended.then(() => (ended = true));
  if (early) await setTimeout(8000 * wait);
  else {
    while (!ended && (await linesOf(metrics)) < before + wanted) await setTimeout(10);
    await setTimeout(500 * wait);
  }
  const finished = ended;
  if (!finished) process.kill(processes.get(victim)!, 'SIGKILL');
  const killed = performance.now();
  const { code, stdout, stderr } = await running.ended;
  while ((await processesIn(directory)).length > 0 && performance.now() - killed < 1000 * patience)
    await setTimeout(10);
  for (const { pid } of await processesIn(directory)) {
    check(false, `process ${pid} is left ${patience} s after rank ${victim} was killed`);
    process.kill(pid, 'SIGKILL');
  }
  const seconds = (performance.now() - killed) / 1000;
  return { victim, early, finished, code, output: stdout + stderr, seconds };
}

/** Open MPI names rank and host. MPICH names the host only; its PID is that of any of the host's ranks. */
function killMessage(victim: number): RegExp {
  return mpi.name === 'MPICH'
    ? new RegExp(`PID \\d+ RUNNING AT ${hostname()}\\n=   EXIT CODE: 9`, 'g')
    : new RegExp(`process rank ${victim} with PID \\d+ on node ${hostname()} exited on signal 9`, 'g');
}

/** The newest checkpoint's step; every checkpoint must be whole. */
async function checkCheckpoints(run: string): Promise<number> {
  if (!(await RunDirectory.exists(run))) return 0;
  const { checkpoints: folder } = await RunDirectory.open(run);
  const saved = await folder.steps();
  for (const step of saved) {
    const problem = await folder.read(step).then(
      (checkpoint) => (checkpoint.step === step ? undefined : `is of step ${checkpoint.step}`),
      (error: Error) => error.message,
    );
    check(problem === undefined, `${run}, checkpoint of step ${step}: ${problem}`);
  }
  return saved[0] ?? 0;
}

/** Kills a run so many times, and finishes it. */
async function soak(index: number, kills: number): Promise<void> {
  const { sizes, sums } = runs[index % runs.length]!;
  const run = join(directory, `run${index}`);
  const args = training(run, sums);
  let size = sizes[0]!;
  for (let killed = 0; killed < kills; ) {
    const { victim, early, finished, code, output, seconds } = await killRank(run, size, args);
    if (finished) {
      say(`  finished before rank ${victim} could be killed; it starts again`);
      check(code === 0, `a resumed run failed: ${output}`);
      await rm(run, { recursive: true });
      continue;
    }
    killed++;
    check(code !== 0, 'the launcher succeeded although a rank was killed');
    const said = output.match(killMessage(victim))?.length ?? 0;
    if (size > 1) check(said === 1, `rank ${victim} was killed, which ${said} messages say: ${output}`);
    check(!output.includes('error:'), `a killed rank made another one fail: ${output}`);
    const saved = await checkCheckpoints(run);
    const when = early ? 'at the start' : `at step ${await linesOf(join(run, 'metrics.jsonl'))}`;
    say(`  rank ${victim} of ${size} killed ${when}, all ended after ${seconds.toFixed(1)} s; saved: step ${saved}`);
    size = oneOf(sizes);
  }
  const { code, stdout, stderr } = await start(size, args).ended;
  check(code === 0, `the resumed run failed: ${stdout}${stderr}`);
  check((await processesIn(directory)).length === 0, 'processes are left');
  await compare(run, sums, `run ${index + 1}, killed ${kills} times`);
}

const wanted = new Map<number, Promise<Buffer>>();
/** The weights of an undisturbed run of one process, with so many micro-batches. */
async function undisturbed(sums: number): Promise<Buffer> {
  const run = join(directory, `undisturbed-${sums}`);
  const { code, stderr } = await startCommand(training(run, sums), { bundle: bundle.url }).ended;
  if (code !== 0) throw new Error(`the undisturbed training failed: ${stderr}`);
  return weights(run);
}

async function compare(run: string, sums: number | undefined, what: string): Promise<void> {
  if (!wanted.has(sums ?? 2)) wanted.set(sums ?? 2, undisturbed(sums ?? 2));
  const [got, expected] = [await weights(run), await wanted.get(sums ?? 2)!];
  if (sums !== undefined) {
    const same = got.equals(expected);
    check(same, `${what}: other weights than an undisturbed run`);
    say(`${what}: final weights ${same ? 'equal' : 'DIFFER'}`);
    return;
  }
  const [loss, other] = await Promise.all([run, join(directory, 'undisturbed-2')].map(lastLoss));
  const apart = Math.abs(loss! - other!);
  check(apart < 0.01 * other!, `${what}: validation loss ${loss} instead of ${other}`);
  say(`${what}: validation loss ${loss}, undisturbed ${other}`);
}

async function lastLoss(run: string): Promise<number> {
  const lines = (await readFile(join(run, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  const metrics = lines.map((line) => JSON.parse(line) as { split: string; loss: number });
  return metrics.findLast(({ split }) => split === 'val')!.loss;
}

function mpiOf(name: string): InstalledMpi {
  const mpis = installedMpis();
  const found = mpis.find((mpi) => mpi.name.replace(' ', '').toLowerCase() === name);
  if (!found) throw new Error(`--mpi ${name} is not installed; found: ${mpis.map((mpi) => mpi.name).join(', ')}`);
  return found;
}

try {
  say(`${mpi.name}, ${kills} kills, seed ${seed}`);
  for (const index of runs.keys()) {
    const [first, end] = [index, index + 1].map((part) => Math.round((kills * part) / runs.length)) as [number, number];
    await soak(index, end - first);
  }
  const left = (await readdir(directory)).filter((name) => !/^(run\d+|undisturbed-\d|cache)$/.test(name));
  check(left.length === 0, `temporary files are left: ${left.join(', ')}`);
} finally {
  await rm(directory, { recursive: true });
  await bundle.remove();
}
say(failures.length === 0 ? 'all well' : `${failures.length} failures`);
process.exitCode = failures.length === 0 ? 0 : 1;
