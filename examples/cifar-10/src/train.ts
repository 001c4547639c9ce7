import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { openGpu } from '@alex/tensor';
import { RunDirectory } from '@alex/trainer';
import type { Net, Task } from './nets.js';
import { type Folders, type PlacedStage, placeStages, trainArguments } from './stages.js';
import { type EvaluationOutput, notesFileOf, type RunNotes, readJson, testFile } from './summary.js';

/** The settings that all runs share. */
export interface Setting {
  readonly folders: Folders;
  /** The folder of the run directories. */
  readonly runs: string;
  /** A part of the adapter's name. Default: the best one. */
  readonly adapter?: string | undefined;
  /** Runs `alexnet` with these arguments, and returns its exit code and its printed result. */
  alexnet(args: readonly string[]): Promise<{ readonly code: number; readonly result: string }>;
  say(line: string): void;
}

/**
 * Trains a run from its current state as far as a task says, and tests it there.
 *
 * @returns the exit code of the first command that failed, or 0
 */
export async function advance(task: Task, setting: Setting): Promise<number> {
  const { folders, runs, alexnet, say, adapter } = setting;
  const { net, seed } = task;
  const run = join(runs, `${net.name}-seed${seed}`);
  const onAdapter = adapter === undefined ? [] : ['--adapters', adapter];
  const stages = placeStages(task, folders);
  for (const [index, stage] of stages.entries()) {
    if ((await newestStep(run)) >= stage.end) continue;
    say(`${net.name}, seed ${seed}, ${stage.images}: to step ${stage.end}`);
    await note(run, { net: net.name, seed, stages: placeStages({ net, seed }, folders) }, adapter);
    const args = trainArguments(task, stage, { run, folders, isFirst: index === 0 });
    const { code } = await alexnet([...args, ...onAdapter]);
    if (code !== 0) return code;
  }
  return test(net, run, stages, setting, onAdapter);
}

/** Tests a run, unless its current weights were already tested. */
async function test(
  { views }: Net,
  run: string,
  stages: readonly PlacedStage[],
  { folders, alexnet, say }: Setting,
  onAdapter: readonly string[],
): Promise<number> {
  const file = join(run, testFile);
  const before = await readJson<EvaluationOutput>(file);
  // A later part of the training run may have started already.
  if ((before?.learnt.step ?? 0) >= stages.at(-1)!.end) return 0;
  say(`${run}: ${views} views of the test images`);
  const { code, result } = await alexnet([
    ...['evaluate', '--run', run, '--data', folders.all.path, '--views', `${views}`, '--json'],
    ...onAdapter,
  ]);
  if (code === 0) await writeFile(file, result);
  return code;
}

async function newestStep(run: string): Promise<number> {
  if (!(await RunDirectory.exists(run))) return 0;
  const [newest = 0] = await (await RunDirectory.open(run)).checkpoints.steps();
  return newest;
}

async function note(run: string, notes: Omit<RunNotes, 'adapters'>, adapter: string | undefined): Promise<void> {
  const file = notesFileOf(run);
  await mkdir(dirname(run), { recursive: true });
  const { adapters = [] } = (await readJson<RunNotes>(file)) ?? {};
  const gpu = await openGpu(adapter === undefined ? {} : { adapter });
  const { name } = gpu.description;
  gpu.dispose();
  const all = adapters.includes(name) ? adapters : [...adapters, name];
  await writeFile(file, `${JSON.stringify({ ...notes, adapters: all }, undefined, 2)}\n`);
}
