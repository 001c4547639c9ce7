import { parseArgs } from 'node:util';
import { ConfigError } from '@alex/tensor';
import { type Precision, precisions } from '@alex/tensor/network';
import { peerNames } from './peers/libraries.js';
import { type Workload, workloadsOf } from './peers/workloads.js';

export const usage = `Times a training step, layer by layer, and compares it with the limits of the adapter.

  npm run bench -- [--step] [--layers] [--peers [NAMES]] [--loading] [--exchange] [--host] [--short] [OPTIONS]

  --step      a whole training step and every kernel in it; the default if nothing else is requested
  --layers    the layers that compute products, alone, each direction separately
  --peers     the same work by other libraries, of ${peerNames.join(',')}; default: all
  --loading   images read from prepared shards, compared with the decoder alone, and the time that a step waits for them
  --exchange  transfers between two adapters, compared with a plain loop; a step on both, compared with its parts
  --host      the host's work for a step, until it is submitted
  --short     a small network and few repeats, for a quick check

  --adapter   part of an adapter's name. Default: the best one (or ALEX_ADAPTER)
  --other     for --exchange, the second adapter. Default: the first one opened twice
  --model     a variant of @alex/model-alexnet for --step, --exchange and --host; default: paper
  --batch     images per step; default: 8
  --precision for --step and --host, of ${precisions.join(',')}; default: float32
  --tunings   for --step, a file of kernel choices, written by \`alexnet devices --tune full --to FILE\`
  --repeats   repeats that count, after a warm-up; default: 3
  --workloads for --peers, of ${Object.keys(workloadsOf(1)).join(',')}; default: all
  --limit     time limit in seconds for one workload of one library; default: 600
  --data      for --loading, a folder created by \`alexnet prepare\`. Default: generated images
  --json      writes { environment, results, peers } to this file
  --compare   prints the ratios to an earlier file of this kind`;

export interface Arguments {
  readonly help: boolean;
  readonly step: boolean;
  readonly layers: boolean;
  readonly peers: readonly string[];
  readonly loading: boolean;
  readonly exchange: boolean;
  readonly host: boolean;
  readonly other: string | undefined;
  readonly data: string | undefined;
  readonly workloads: Readonly<Record<string, Workload>>;
  readonly adapter: string | undefined;
  readonly model: string;
  readonly batch: number;
  readonly precision: Precision;
  readonly tunings: string | undefined;
  readonly repeats: number;
  readonly limitMs: number;
  readonly json: string | undefined;
  readonly compare: string | undefined;
}

/** @throws ConfigError, or a TypeError of `parseArgs`, for arguments that do not match `usage` */
export function parseArguments(given: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: withPeers(given),
    options: {
      step: { type: 'boolean', default: false },
      layers: { type: 'boolean', default: false },
      peers: { type: 'string' },
      loading: { type: 'boolean', default: false },
      exchange: { type: 'boolean', default: false },
      host: { type: 'boolean', default: false },
      other: { type: 'string' },
      data: { type: 'string' },
      short: { type: 'boolean', default: false },
      adapter: { type: 'string' },
      model: { type: 'string' },
      batch: { type: 'string', default: '8' },
      precision: { type: 'string', default: 'float32' },
      tunings: { type: 'string' },
      repeats: { type: 'string' },
      workloads: { type: 'string' },
      limit: { type: 'string', default: '600' },
      json: { type: 'string' },
      compare: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const { short, layers, peers, loading, exchange, host } = values;
  const batch = whole('batch', values.batch);
  return {
    help: values.help,
    step: values.step || !(layers || loading || exchange || host || peers !== undefined),
    layers,
    loading,
    exchange,
    host,
    other: values.other,
    data: values.data,
    peers: peers === undefined ? [] : chosen('peers', peers, peerNames),
    workloads: workloadsChosen(values.workloads, batch),
    adapter: values.adapter,
    model: values.model ?? (short ? 'small' : 'paper'),
    batch,
    precision: chosen('precision', values.precision, precisions)[0] as Precision,
    tunings: values.tunings,
    repeats: whole('repeats', values.repeats ?? '3'),
    limitMs: whole('limit', values.limit) * 1000,
    json: values.json,
    compare: values.compare,
  };
}

/** `--peers` may have no value, which `parseArgs` does not support. */
function withPeers(given: readonly string[]): string[] {
  return given.map((argument, index) => {
    const next = given[index + 1];
    return argument === '--peers' && (next === undefined || next.startsWith('-')) ? `--peers=${peerNames}` : argument;
  });
}

function chosen(option: string, list: string, all: readonly string[]): string[] {
  const names = list.split(',');
  for (const name of names) {
    if (!all.includes(name)) throw new ConfigError(`--${option}: '${name}' is unknown; choose from ${all.join(', ')}`);
  }
  return names;
}

function workloadsChosen(list: string | undefined, batch: number): Record<string, Workload> {
  const all = workloadsOf(batch);
  if (list === undefined) return all;
  return Object.fromEntries(chosen('workloads', list, Object.keys(all)).map((name) => [name, all[name]!]));
}

function whole(option: string, value: string): number {
  const number = Number(value);
  if (Number.isInteger(number) && number >= 1) return number;
  throw new ConfigError(`--${option} must be a whole number of at least 1, got ${value}`);
}
