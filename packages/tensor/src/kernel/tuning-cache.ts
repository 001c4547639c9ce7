import { platform } from '#platform';
import type { Gpu } from '../adapter/gpu.js';
import { ConfigError, DataError } from '../errors.js';
import { checkOptions, optionError } from '../option-checks.js';
import {
  type Avoided,
  type AvoidedCandidate,
  type Tuning,
  type Tunings,
  tuningsOf,
  useTunings,
  withAvoided,
} from './tunable.js';

/** The identity of an adapter in the cache. The driver's version is part of its name. */
export type TunedAdapter = Pick<Gpu['description'], 'name' | 'driver'>;

/** Stores tunings and avoided candidates from one process to the next. */
export interface TuningCache {
  /** Empty if there is nothing usable. */
  load(adapter: TunedAdapter): Promise<Tunings>;
  /** Adds tunings. */
  save(adapter: TunedAdapter, tunings: Tunings): Promise<void>;
  /** Candidates that must never be tried again. */
  loadAvoided(adapter: TunedAdapter): Promise<Avoided>;
  /** Adds to them. */
  avoid(adapter: TunedAdapter, avoided: Avoided): Promise<void>;
}

/** The format of the files; incremented by a later version of Alex that changes it. */
const format = 1;

interface TuningFile {
  readonly adapter: string;
  readonly driver: string;
  readonly tunings: Tunings;
  readonly avoided: Avoided;
}

/** What a file stores about an adapter. */
type Kept = Pick<TuningFile, 'tunings' | 'avoided'>;

const nothing: Kept = { tunings: new Map(), avoided: new Map() };

/**
 * A cache with one file per adapter and driver in `folder`, which is created when there is something to store. In a
 * browser, files and folder are entries of a database (IndexedDB) of the page's origin. Several
 * processes may use it: if two write at the same moment, one result may be lost and has to be measured again.
 *
 * @param onProblem called once for each file that could not be used or written, with the reason; tuning continues
 * without it
 * @throws ConfigError for an option that is none
 */
export function createTuningCache(
  folder: string,
  options: { readonly onProblem?: (message: string) => void } = {},
): TuningCache {
  if (typeof folder !== 'string') throw optionError('createTuningCache', 'folder', 'a path', folder);
  checkOptions('createTuningCache', options, ['onProblem']);
  const { onProblem = () => undefined } = options;
  const said = new Set<string>();
  const problem = (message: string) => {
    if (!said.has(message)) onProblem(message);
    said.add(message);
  };
  const read = async (path: string): Promise<Kept | 'newer'> => {
    try {
      return (await readTunings(path)) ?? nothing;
    } catch (error) {
      problem(`${messageOf(error)}; its tunings are measured again`);
      return error instanceof NewerFormat ? 'newer' : nothing;
    }
  };
  const load = async (adapter: TunedAdapter): Promise<Kept> => {
    const kept = await read(await pathOf(folder, adapter));
    return kept === 'newer' ? nothing : kept;
  };
  const change = async (adapter: TunedAdapter, changed: (kept: Kept) => Kept): Promise<void> => {
    const path = await pathOf(folder, adapter);
    const kept = await read(path);
    if (kept === 'newer') return;
    try {
      await platform.texts.makeFolder(folder);
      await writeTunings(path, adapter, changed(kept));
    } catch (error) {
      problem(`${path}: cannot be written (${messageOf(error)}); tunings are not kept`);
    }
  };
  return {
    load: async (adapter) => (await load(adapter)).tunings,
    save: (adapter, tunings) =>
      change(adapter, (kept) => ({ ...kept, tunings: new Map([...kept.tunings, ...tunings]) })),
    loadAvoided: async (adapter) => (await load(adapter)).avoided,
    avoid: (adapter, avoided) => change(adapter, (kept) => ({ ...kept, avoided: withAvoided(kept.avoided, avoided) })),
  };
}

/**
 * Writes tunings to a file for sharing. Default: those used when recording for the adapter.
 *
 * @throws DataError if the file cannot be written, or exists with different content; ConfigError in a browser
 */
export async function exportTunings(path: string, gpu: Gpu, tunings: Tunings = tuningsOf(gpu)): Promise<void> {
  checkFiles('exportTunings', 'store tuningsOf(gpu)');
  try {
    await readTunings(path);
  } catch (error) {
    throw new DataError(`${messageOf(error)}; it is not overwritten, choose another file`, { cause: error });
  }
  try {
    await writeTunings(path, gpu.description, { ...nothing, tunings });
  } catch (error) {
    throw new DataError(`${path}: the tunings cannot be written: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Makes recording for an adapter use the tunings of a file written by {@link exportTunings}.
 *
 * @returns their number, and the driver that they were measured with
 * @throws DataError if the file is missing, truncated or of another format; ConfigError if it is for another adapter, or in a
 * browser
 */
export async function importTunings(path: string, gpu: Gpu): Promise<{ count: number; driver: string }> {
  checkFiles('importTunings', 'pass them to useTunings(gpu, tunings)');
  let file: TuningFile | undefined;
  try {
    file = await readTunings(path);
  } catch (error) {
    throw new DataError(messageOf(error), { cause: error });
  }
  if (!file) throw new DataError(`${path}: there is no such file; check the path`);
  const { name } = gpu.description;
  if (file.adapter !== name) {
    throw new ConfigError(`${path}: contains tunings for the adapter "${file.adapter}", but this one is "${name}"`);
  }
  useTunings(gpu, file.tunings);
  return { count: file.tunings.size, driver: file.driver };
}

function checkFiles(where: string, instead: string): void {
  if (!platform.hasFiles) throw new ConfigError(`${where}: a browser has no files; ${instead} in their place`);
}

/** A file per adapter and driver. */
async function pathOf(folder: string, { name, driver }: TunedAdapter): Promise<string> {
  const readable = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
    .slice(0, 60);
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`${name}\n${driver}`));
  const hash = [...new Uint8Array(digest).slice(0, 4)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return platform.texts.join(folder, `${readable || 'adapter'}-${hash}.json`);
}

class NewerFormat extends Error {}

/** Undefined if there is no file; throws an Error with the file and what is wrong with it. */
async function readTunings(path: string): Promise<TuningFile | undefined> {
  let text: string | undefined;
  try {
    text = await platform.texts.read(path);
  } catch (error) {
    throw new Error(`${path}: cannot be read: ${messageOf(error)}`);
  }
  if (text === undefined) return undefined;
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new Error(`${path}: is truncated, or not a tunings file`);
  }
  if (!isRecord(content) || typeof content['format'] !== 'number' || !isRecord(content['entries'])) {
    throw new Error(`${path}: is not a tunings file`);
  }
  if (content['format'] > format) throw new NewerFormat(`${path}: was written by a newer version of Alex`);
  const { adapter, driver, entries } = content;
  if (content['format'] !== format || typeof adapter !== 'string' || typeof driver !== 'string') {
    throw new Error(`${path}: is not a tunings file`);
  }
  const tunings = new Map<string, Tuning>();
  for (const [key, entry] of Object.entries(entries)) if (isTuning(entry)) tunings.set(key, entry);
  return { adapter, driver, tunings, avoided: avoidedIn(content['avoided']) };
}

/** Older files have no avoided candidates. */
function avoidedIn(content: unknown): Avoided {
  const avoided = new Map<string, readonly AvoidedCandidate[]>();
  for (const [key, candidates] of Object.entries(isRecord(content) ? content : {})) {
    if (Array.isArray(candidates)) avoided.set(key, candidates.filter(isAvoided));
  }
  return avoided;
}

function isAvoided(value: unknown): value is AvoidedCandidate {
  return isRecord(value) && 'choice' in value && typeof value['reason'] === 'string';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTuning(value: unknown): value is Tuning {
  if (!isRecord(value) || !('choice' in value)) return false;
  const { milliseconds, effort } = value;
  if (effort === 'examined') return milliseconds === undefined;
  const measured = typeof milliseconds === 'number' && Number.isFinite(milliseconds) && milliseconds >= 0;
  return measured && (effort === 'quick' || effort === 'full');
}

async function writeTunings(path: string, { name, driver }: TunedAdapter, kept: Kept): Promise<void> {
  const inOrder = <Value>(map: ReadonlyMap<string, Value>) =>
    Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
  const entries = inOrder(kept.tunings);
  const avoided = kept.avoided.size > 0 ? { avoided: inOrder(kept.avoided) } : {};
  const text = `${JSON.stringify({ format, adapter: name, driver, entries, ...avoided }, null, 2)}\n`;
  await platform.texts.write(path, text);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
