import { predictAlone } from '@alex/multi-gpu';
import type { Facts, ReportTable } from '@alex/report';
import type { NetworkDescription } from '@alex/tensor';
import type { Stretch } from '@alex/trainer';
import { counted, duration } from '../output.js';
import { type RunRecord, trainingSeconds } from './run-record.js';

const short = (value: number) => Number(value.toPrecision(3)).toLocaleString('en-US');

/** `21.8 million`. */
function amount(value: number): string {
  const [name, unit] = (
    [
      ['trillion', 1e12],
      ['billion', 1e9],
    ] as const
  ).find(([, least]) => value >= least) ?? ['million', 1e6];
  return `${short(value / unit)} ${name}`;
}

const megabytes = (bytes: number) =>
  `${(bytes / 1e6).toLocaleString('en-US', { maximumFractionDigits: bytes < 1e8 ? 1 : 0 })} MB`;

/** The speed of a run; empty for a run without steps. */
export function speedOf(record: RunRecord, description: NetworkDescription): Facts {
  const { trainingSpeed, evaluationSpeed } = record.summary;
  const whole = wholeSeconds(record.stretches);
  // Once forward, twice backward; the lowest layer with parameters needs no gradient of its input.
  const perImage = predictAlone(description, 1, 1);
  return {
    ...(trainingSpeed !== undefined && {
      'images per second in training': `${short(trainingSpeed)} (median)`,
      'multiply-adds per second in training': `${amount(trainingSpeed * perImage)} (${amount(perImage)} per image, forward and backward)`,
    }),
    ...(evaluationSpeed !== undefined && {
      'images per second in evaluations': `${short(evaluationSpeed)} (median)`,
    }),
    ...(trainingSpeed !== undefined && { 'time in steps': duration(trainingSeconds(record)) }),
    ...(whole !== undefined && { 'time from start to end': duration(whole) }),
  };
}

/** Only if all processes have an end. */
function wholeSeconds(stretches: readonly Stretch[]): number | undefined {
  const seconds = stretches.map(({ time, end }) =>
    end ? (Date.parse(end.time) - Date.parse(time)) / 1000 : Number.NaN,
  );
  const sum = seconds.reduce((total, each) => total + each, 0);
  return stretches.length > 0 && Number.isFinite(sum) ? sum : undefined;
}

/** The memory of the network on its adapters; empty if that was not recorded. */
export function memoryOf({ stretches }: RunRecord): Facts {
  const last = stretches.at(-1);
  if (!last) return {};
  const { total, parameters, optimizerState, activations } = last.memory;
  return {
    'in all': megabytes(total),
    parameters: megabytes(parameters),
    'momentum and other state': megabytes(optimizerState),
    'activations and gradients': megabytes(activations),
    ...(last.adapters.length > 1 &&
      Object.fromEntries(
        last.adapters.map(({ name, memoryBytes }, index) => [`adapter ${index + 1}: ${name}`, megabytes(memoryBytes)]),
      )),
  };
}

const outcomes = { finished: 'finished', stopped: 'stopped by a signal', failed: 'failed' } as const;

/** The processes that trained a run: when, which steps, with which version, on what. */
export function environmentOf({ stretches }: RunRecord): ReportTable[] {
  if (stretches.length === 0) return [];
  return [
    {
      caption: 'Training processes',
      columns: ['began', 'steps', 'version', 'adapter', 'driver', 'machine', 'how it ended'],
      rows: stretches.map((stretch) => [
        stretch.time.replace(/:\d\d\.\d+Z$/, ' UTC').replace('T', ' '),
        `${stretch.step} to ${stretch.end?.step ?? '?'}`,
        stretch.version,
        stretch.adapters.map(({ name }) => name).join(' and ') +
          (stretch.strategy === undefined ? '' : ` (${stretch.strategy})`),
        [...new Set(stretch.adapters.map(({ driver }) => driver))].join(' and '),
        machineOf(stretch),
        stretch.end ? outcomes[stretch.end.outcome] + reasonOf(stretch) : 'not recorded: killed, or still running',
      ]),
    },
    ...ranksOf(stretches),
  ];
}

/** The processes that trained a run together, and how long a step took on each. */
function ranksOf(stretches: readonly Stretch[]): ReportTable[] {
  const rows = stretches.flatMap(({ step, ranks, end }) =>
    (ranks?.hosts ?? []).map((host, rank) => [
      `${step} to ${end?.step ?? '?'}`,
      String(rank),
      host,
      secondsText(end?.rankSeconds?.[rank]),
      secondsText(ranks?.predictedSeconds),
      secondsText(ranks?.predictedAloneSeconds),
    ]),
  );
  if (rows.length === 0) return [];
  const columns = ['steps', 'rank', 'machine', 'seconds per step', 'predicted', 'predicted for one rank alone'];
  return [{ caption: 'Ranks', columns, rows }];
}

function secondsText(seconds: number | undefined): string {
  return seconds === undefined ? 'unknown' : short(seconds);
}

function reasonOf({ end }: Stretch): string {
  return end?.reason === undefined ? '' : `: ${end.reason}`;
}

function machineOf({ machine: { processor, cores, platform, node } }: Stretch): string {
  return `${processor}, ${counted(cores, 'core')}, ${platform}, Node ${node.replace(/^v/, '')}`;
}
