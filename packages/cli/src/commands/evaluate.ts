import { deserialize, serialize } from 'node:v8';
import type { Dataset } from '@alex/data';
import { ConfigError } from '@alex/tensor';
import {
  type EvaluationResult,
  gather,
  mix,
  RunDirectory,
  type Scores,
  Submission,
  score,
  searchMix,
  splitOfRank,
  Tally,
  type WhichWeights,
} from '@alex/trainer';
import type { Team } from '../cluster/team.js';
import { type ClusterOptions, withTeam } from '../cluster/with-team.js';
import { openData, openDataOfRun, sayRemarks } from '../data.js';
import { splitChange, splitFingerprint } from '../data-fingerprint.js';
import { exitCode } from '../failure.js';
import { parseMix } from '../mix-option.js';
import { readNetwork } from '../network-in-file.js';
import type { AdapterOptions, TuningOptions } from '../options.js';
import { type Output, percent } from '../output.js';
import { sayNowAndThen } from '../progress-lines.js';
import { openTrained, type TrainedNetwork, type TrainedSession } from '../session.js';
import { givenTwice, openTrainedRun } from '../trained-run.js';
import { checkPlace } from '../write-result.js';

/** Options of `evaluate`. */
export interface EvaluateOptions extends AdapterOptions, TuningOptions, ClusterOptions {
  /** One run, or several separated by commas. */
  readonly run?: string;
  readonly weights?: string;
  readonly mean?: string;
  readonly data?: string;
  readonly views: number;
  readonly mix?: string;
  readonly predictions?: string;
  readonly checkpoint?: WhichWeights;
  readonly maxRejected?: number;
}

/** Which of a network's weights were evaluated. */
type Learnt = TrainedSession['learnt'];

/** A network and the images that it is evaluated on. */
interface Member {
  readonly network: TrainedNetwork;
  readonly dataset: Dataset;
}

/**
 * Measures a trained network, or several together, on validation images; gives the exit code. Of several processes,
 * each computes the predictions for some of the images, and rank 0 does everything else.
 */
export function evaluateCommand(options: EvaluateOptions, output: Output): Promise<number> {
  return withTeam(options, output, async (own, team) => {
    if (!team || team.isFirst) await checkPlace('--predictions', options.predictions);
    const members = await (team ? team.together(() => membersOf(options, own)) : membersOf(options, own));
    if (!team || team.isFirst) return evaluateMembers(members, options, own, team);
    for (const member of members) await withScores(member, options, own, team, async () => undefined);
    return exitCode.success;
  });
}

async function evaluateMembers(
  members: readonly Member[],
  options: EvaluateOptions,
  output: Output,
  team: Team | undefined,
): Promise<number> {
  sayRemarks(
    members.map(({ dataset }) => dataset),
    output,
  );
  const mixing = parseMix(options.mix, members.length);
  const [first] = members as [Member, ...Member[]];
  const submission = options.predictions === undefined ? undefined : new Submission(first.dataset.numbers);
  const tally = new Tally();
  const add = (scores: Scores) => {
    tally.add(scores);
    submission?.add(scores);
  };
  let parts: { run: string; weight: number; alone: EvaluationResult; learnt: Learnt }[] = [];
  let learnt: Learnt | undefined;
  if (members.length === 1) {
    learnt = await withScores(first, options, output, team, async (scores) => {
      for await (const part of scores) add(part);
    });
  } else {
    const all: Scores[] = [];
    const results: { alone: EvaluationResult; learnt: Learnt }[] = [];
    for (const member of members) {
      const alone = new Tally();
      const own = await withScores(member, options, output, team, async (parts) => {
        const scores = await gather(member.dataset.validation, parts);
        all.push(scores);
        alone.add(scores);
      });
      results.push({ alone: alone.result(), learnt: own });
      output.line(`${member.network.path}: ${described(alone.result())}.`);
    }
    const weights =
      mixing.kind === 'search'
        ? searchMix(all, mixing.goal)
        : mixing.kind === 'fixed'
          ? mixing.weights
          : members.map(() => 1 / members.length);
    parts = members.map(({ network }, i) => ({ run: network.path, weight: weights[i]!, ...results[i]! }));
    for (const scores of mix(all, weights)) add(scores);
    output.line(
      `Weights: ${parts.map(({ run, weight }) => `${run} ${Number(weight.toFixed(3))}`).join(', ')}` +
        `${mixing.kind === 'search' ? ', searched on the same images' : ''}.`,
    );
  }
  const result = tally.result();
  if (options.predictions !== undefined) await submission?.write(options.predictions);
  const { views, predictions } = options;
  output.result({
    run: options.run ?? options.weights,
    data: options.data ?? first.network.config.data.source,
    views,
    ...(learnt && { learnt }),
    ...result,
    ...(parts.length > 0 && { members: parts }),
    ...(predictions !== undefined && { predictions }),
  });
  output.line(
    `${result.images.toLocaleString('en-US')} validation images, ${views === 1 ? 'one view' : `${views} views`} each` +
      `${members.length === 1 ? '' : `, ${members.length} networks together`}: ${described(result)}.`,
  );
  if (predictions !== undefined) output.line(`${predictions} lists the five most likely classes of each.`);
  return exitCode.success;
}

function described({ top1Error, top5Error, loss }: EvaluationResult): string {
  return `top-1 error ${percent(top1Error)}, top-5 error ${percent(top5Error)}, loss ${loss.toFixed(3)}`;
}

/** Finds all user errors before any adapter is opened. */
async function membersOf(options: EvaluateOptions, output: Output): Promise<Member[]> {
  const { run, weights, mean, data, checkpoint, maxRejected } = options;
  const checking = { checked: 'validation', maxRejected, output } as const;
  if (weights !== undefined) {
    if (run !== undefined) throw new ConfigError('--run and --weights: give only one of them');
    if (data === undefined) throw new ConfigError('--data is missing: published weights come without images');
    const found = await readNetwork(weights, mean);
    for (const remark of found.remarks) output.line(`${weights}: ${remark}`);
    const dataset = await openData(data, { usualSize: found.imageSize[0] }, checking);
    return [{ network: await found.network(dataset), dataset }];
  }
  if (run === undefined) throw new ConfigError('--run is missing: give directories of runs, or a file of --weights');
  if (mean !== undefined) throw new ConfigError('--mean only works with --weights: a run has its own');
  const members: Member[] = [];
  const paths = await runPaths(run);
  const twice = givenTwice(paths);
  if (twice !== undefined) output.line(`${twice} is given more than once, and counts as often.`);
  for (const path of paths) {
    const network = await openTrainedRun(path, checkpoint, output);
    const { classes } = network.config.data;
    const known = members[0]?.network.config.data.classes ?? classes;
    if (classes.join('\n') !== known.join('\n')) {
      throw new ConfigError(
        `${path}: has other classes than ${members[0]!.network.path}; all runs must have the same classes`,
      );
    }
    members.push({ network, dataset: await openDataOfRun(network.config, data, checking) });
  }
  await checkSameImages(members);
  if (data === undefined) for (const member of members) await sayChange(member, output);
  return members;
}

/** Says that a run is evaluated on other images than it was validated on: the errors of both cannot be compared. */
async function sayChange({ network, dataset }: Member, output: Output): Promise<void> {
  const own = network.config.data.fingerprint?.validation;
  const change = own && splitChange('validation', own, await splitFingerprint(dataset.validation));
  if (change !== undefined) output.line(`${network.path}: the data have changed since it was trained: ${change}.`);
}

/** Of several runs, each may have data of its own. */
async function checkSameImages([first, ...others]: readonly Member[]): Promise<void> {
  const sourceOf = ({ network }: Member) => network.config.data.source;
  const known = new Map([[sourceOf(first!), first!]]);
  for (const other of others) {
    const source = sourceOf(other);
    if (known.has(source)) continue;
    known.set(source, other);
    const [own, wanted] = [other, first!].map(({ dataset }) => splitFingerprint(dataset.validation));
    if (splitChange('validation', (await wanted)!, (await own)!) === undefined) continue;
    throw new ConfigError(
      `${other.network.path}: its validation images, of ${source}, are not those of ${first!.network.path}, of ${sourceOf(first!)}; give the images for all of them as --data`,
    );
  }
}

/** Several directories separated by commas, or one that has a comma in its name. */
async function runPaths(text: string): Promise<string[]> {
  if (text.includes(',') && (await RunDirectory.exists(text).catch(() => false))) return [text];
  const paths = text.split(',').map((path) => path.trim());
  if (paths.includes(''))
    throw new ConfigError(`--run ${text}: a directory is missing between two commas, or after the last one`);
  return paths;
}

/**
 * Only one network at a time is on the adapter. Returns which weights were used.
 *
 * @param use called on rank 0 only, if there are several
 */
async function withScores(
  { network: trained, dataset }: Member,
  options: EvaluateOptions,
  output: Output,
  team: Team | undefined,
  use: (scores: AsyncIterable<Scores>) => Promise<void>,
): Promise<Learnt> {
  const split = team ? splitOfRank(dataset.validation, team.cluster) : dataset.validation;
  const open = () =>
    openTrained(trained, {
      adapters: options.adapters,
      batch: Math.min(trained.config.recipe.batch, dataset.validation.length),
      tuning: { effort: options.tune ?? 'cached', file: options.tunings, say: output.line },
    });
  const session = await (team ? team.together(open) : open());
  try {
    const { network, augmenter } = session;
    const onProgress = sayNowAndThen(output);
    const own = score({ network, augmenter, split, views: options.views, onProgress });
    if (!team) await use(own);
    else {
      const all = await team.cluster.gather(await serialized(own));
      if (team.isFirst) await use(deserialized(all));
    }
    return session.learnt;
  } finally {
    session.dispose();
  }
}

async function serialized(parts: AsyncIterable<Scores>): Promise<Uint8Array> {
  const buffers: Buffer[] = [];
  // At once: the next part may be in the same memory.
  for await (const part of parts) buffers.push(serialize(part));
  return serialize(buffers);
}

/** The scores of all ranks, in the order of the images. */
async function* deserialized(all: readonly Uint8Array[]): AsyncGenerator<Scores> {
  for (const bytes of all) {
    for (const part of deserialize(bytes) as Uint8Array[]) yield deserialize(part) as Scores;
  }
}
