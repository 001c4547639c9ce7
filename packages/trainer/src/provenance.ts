import { appendFileSync, existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { AlexError, ConfigError, DataError } from '@alex/tensor';
import { checkOneOf, checkOptions, checkWholeNumber } from '@alex/tensor/kernels';
import * as v from 'valibot';
import { describeFileError, errorCode } from './file.js';

const bytes = v.pipe(v.number(), v.minValue(0));

/** Fields of later versions are left out, so that a run can be read by earlier ones. */
const originSchema = v.object({
  /** Steps taken before, by this process or by earlier ones. */
  step: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  /** The version of the program that trained. */
  version: v.string(),
  /** What the program was told to do, word by word. */
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
      /** What the network takes there, in bytes. */
      memoryBytes: bytes,
    }),
  ),
  /** How several adapters share the work. */
  strategy: v.exactOptional(v.string()),
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
  }),
]);

/** Where a stretch of a training comes from: what was run, by what, on what. */
export type Origin = v.InferOutput<typeof originSchema>;

/** How a stretch of a training ended: the run's end, a signal, or an error. */
export interface Ending {
  /** Steps taken by then. */
  readonly step: number;
  readonly outcome: (typeof outcomes)[number];
  /** Of a failure: the error's message. */
  readonly reason?: string;
}

/** What one process trained of a run. */
export interface Stretch extends Origin {
  /** When it began, as ISO 8601 has it. */
  readonly time: string;
  /** What it got over: a lost adapter, a step back after the loss exploded. */
  readonly problems: readonly string[];
  /** Left out where the process was killed, or still runs. */
  readonly end?: Ending & { readonly time: string };
}

/**
 * The file `provenance.jsonl` of a run, which grows by a line when a process begins to train, when something went wrong that it got
 * over, and when it ends. Its clock times are for people: nothing that is learnt depends on them.
 */
export class ProvenanceFile {
  readonly #path: string;

  /** @throws AlexError where the file cannot be written; ConfigError for an origin that could not be read again */
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

  /** Says how it ended, unless the run was taken away. */
  end(ending: Ending): void {
    checkOptions('ending', ending, ['step', 'outcome', 'reason']);
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
 * Reads a `provenance.jsonl`. Lines that are cut off (the machine stopped) or of a later version are left out.
 *
 * @returns the earliest first; none for a run of a version that wrote no such file
 * @throws DataError where the file is there and cannot be read
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
    const parsed = v.safeParse(lineSchema, parseJson(line));
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

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
