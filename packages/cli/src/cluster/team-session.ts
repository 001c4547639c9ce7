import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listAdapters } from '@alex/tensor';
import { exportTunings } from '@alex/tensor/kernels';
import type { RunConfig, TrainingRanks } from '@alex/trainer';
import { openSession, type Session, type SessionOptions } from '../session.js';
import type { Tuning } from '../tuning.js';
import type { Team } from './team.js';

/**
 * Puts a run's network on the adapters of every rank. Rank 0 finds the fastest kernels, the others use the same ones:
 * others sum in another order.
 */
export async function openTeamSession(
  team: Team,
  config: RunConfig,
  options: SessionOptions & { readonly ranks: TrainingRanks; readonly tuning: Tuning },
): Promise<Session> {
  const adapters = options.adapters ?? (await adapterOf(team.localRank));
  const open = (tuning: Tuning) => openSession(config, { ...options, adapters, tuning, training: true });
  const first = await team.onFirst(() => open(options.tuning));
  try {
    const tunings = await team.fromFirst(await team.onFirst(() => tuningsFile(first!)));
    return await team.together(async () => first ?? withTunings(tunings, options.tuning, open));
  } catch (error) {
    first?.dispose();
    throw error;
  }
}

/** Each process on a machine with several GPUs takes one of its own. */
async function adapterOf(localRank: number): Promise<string | undefined> {
  const cards = (await listAdapters()).filter(({ kind }) => kind === 'hardware');
  return cards.length > 1 ? String(cards[localRank % cards.length]!.index) : undefined;
}

/** The tunings of rank 0 as a file's bytes; none if it has none, or several adapters, which a file cannot be for. */
async function tuningsFile({ tunings, gpus }: Session): Promise<Uint8Array> {
  const [only, ...others] = tunings;
  if (others.length > 0 || !only || only.size === 0) return new Uint8Array();
  return inTemporaryFile(async (file) => {
    await exportTunings(file, gpus[0]!, only);
    return readFile(file);
  });
}

async function withTunings(
  bytes: Uint8Array,
  { say }: Tuning,
  open: (tuning: Tuning) => Promise<Session>,
): Promise<Session> {
  if (bytes.length === 0) return open({ effort: 'off', say });
  return inTemporaryFile(async (file) => {
    await writeFile(file, bytes);
    return open({ effort: 'cached', file, otherAdapter: true, say });
  });
}

async function inTemporaryFile<Result>(use: (file: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'alex-tunings-'));
  try {
    return await use(join(folder, 'tunings.json'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
