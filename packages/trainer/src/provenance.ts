import { appendFileSync, existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { AlexError, ConfigError, DataError } from '@alex/tensor';
import { checkOneOf, checkOptions, checkWholeNumber } from '@alex/tensor/kernels';
import * as v from 'valibot';
import { describeFileError, errorCode } from './file.js';

const bytes = v.pipe(v.number(), v.minValue(0));

/** Unknown fields of later versions are ignored, so earlier versions can read a run. */
const originSchema = v.object({
  /** Steps taken before, by this process or by earlier ones. */
  step: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  /** The version of the program that trained. */
  version: v.string(),
  /** The arguments of the program. */
  command: v.array(v.string()),
  machine: v.object({
    /** Version of Node. */
    node: v.string(),
    /** System and architecture: `linux x64`. */
    platform: v.string(),
    processor: v.string(),
    cores: v.number(),
  }),
  adapters: v.array(
    v.object({
      name: v.string(),
      driver: v.string(),
      kind: v.picklist(['hardware', 'software']),
      /** The memory of the network there, in bytes. */
      memoryBytes: bytes,
    }),
  ),
  /** How several adapters share the work. */
  strategy: v.exactOptional(v.string()),
  /** The processes that train together, if there are several. `adapters` and `memory` are those of rank 0. */
  ranks: v.exactOptional(
    v.object({
      /** The machine of each rank. */
      hosts: v.array(v.string()),
      /** Predicted seconds of a step; of one process alone with the whole batch. */
      predictedSeconds: v.exactOptional(v.number()),
      predictedAloneSeconds: v.exactOptional(v.number()),
    }),
  ),
  /** Of all adapters together, in bytes. */
  memory: v.object({ total: bytes, parameters: bytes, optimizerState: bytes, activations: bytes }),
});

const outcomes = ['finished', 'stopped', 'failed'] as const;

const lineSchema = v.variant('kind', [
  v.object({ kind: v.literal('begin'), time: v.string(), ...originSchema.entries }),
  v.object({ kind: v.literal('problem'), time: v.string(), message: v.string() }),
  v.object({
    kind: v.literal('end'),
    time: v.string(),
    step: v.number(),
    outcome: v.picklist(outcomes),
    reason: v.exactOptional(v.string()),
    rankSeconds: v.exactOptional(v.array(v.number())),
  }),
]);

/** The provenance of one process's part of a run: the command, the program and the machine. */
export type Origin = v.InferOutput<typeof originSchema>;

/** How one process's part of a run ended: the run finished, a signal stopped it, or an error. */
export interface Ending {
  /** Steps taken by then. */
  readonly step: number;
  readonly outcome: (typeof outcomes)[number];
  /** For a failure, the error's message. */
  readonly reason?: string;
  /** Measured seconds of a step on each rank, if there are several. */
  readonly rankSeconds?: readonly number[];
}

/** One process's part of a run. */
export interface Stretch extends Origin {
  /** The start time in ISO 8601 format. */
  readonly time: string;
  /** Problems that it recovered from: a lost adapter, a rollback after the loss exploded. */
  readonly problems: readonly string[];
  /** Omitted if the process was killed, or is still running. */
  readonly end?: Ending & { readonly time: string };
}

/**
 * The file `provenance.jsonl` of a run. It gets a line when a process starts training, when it recovers from a problem, and when
 * it ends. Its clock times are only for readers: training does not depend on them.
 */
export class ProvenanceFile {
  readonly #path: string;

  /** @throws AlexError if the file cannot be written; ConfigError for an origin that could not be read again */
  constructor(path: string, origin: Origin) {
    const checked = v.safeParse(v.strictObject(originSchema.entries), origin);
    if (!checked.success) {
      const [{ message, path: place = [] }] = checked.issues;
      throw new ConfigError(`origin: ${place.map(({ key }) => key).join('.')}: ${message}`);
    }
    this.#path = path;
    this.#append({ kind: 'begin', ...origin });
  }

  problem(message: string): void {
    this.#append({ kind: 'problem', message });
  }

  /** Records how it ended, unless the run was removed. */
  end(ending: Ending): void {
    checkOptions('ending', ending, ['step', 'outcome', 'reason', 'rankSeconds']);
    checkWholeNumber('ending', 'step', ending.step, 0);
    checkOneOf('ending', 'outcome', ending.outcome, outcomes);
    if (existsSync(this.#path)) this.#append({ kind: 'end', ...ending });
  }

  #append({ kind, ...rest }: { readonly kind: string } & (Origin | Ending | { readonly message: string })): void {
    const line = JSON.stringify({ kind, time: new Date().toISOString(), ...rest });
    try {
      appendFileSync(this.#path, `${line}\n`);
    } catch (error) {
      throw new AlexError(`${this.#path}: could not be written: ${describeFileError(error)}`, { cause: error });
    }
  }
}

/**
 * Reads a `provenance.jsonl`. Truncated lines (the machine stopped) and lines of a later version are ignored.
 *
 * @returns the earliest first; empty for a run of a version that wrote no such file
 * @throws DataError if the file exists and cannot be read
 */
export async function readProvenance(path: string): Promise<Stretch[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw new DataError(`${path}: could not be read: ${describeFileError(error)}`, { cause: error });
  }
  const stretches: (Omit<Stretch, 'problems' | 'end'> & { problems: string[]; end?: NonNullable<Stretch['end']> })[] =
    [];
  for (const line of text.split('\n')) {
    const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), lineSchema), line);
    if (!parsed.success) continue;
    const current = stretches.at(-1);
    switch (parsed.output.kind) {
      case 'begin': {
        const { kind: _, ...origin } = parsed.output;
        stretches.push({ ...origin, problems: [] });
        break;
      }
      case 'problem':
        current?.problems.push(parsed.output.message);
        break;
      case 'end': {
        const { kind: _, ...end } = parsed.output;
        if (current) current.end = end;
      }
    }
  }
  return stretches;
}
