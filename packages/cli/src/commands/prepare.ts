import { imageTools, type Preparation, type PreparationEvent, prepareDataset, type SourceKind } from '@alex/data';
import { commandFacts } from '../cluster/command-facts.js';
import { prepareTogether, Stopped } from '../cluster/prepare-together.js';
import type { Team } from '../cluster/team.js';
import { type ClusterOptions, withTeam } from '../cluster/with-team.js';
import { exitCode } from '../failure.js';
import { Interruption } from '../interrupt.js';
import { alexnetCommand } from '../invocation.js';
import type { CommonOptions } from '../options.js';
import type { Output } from '../output.js';
import { PreparationProgress } from '../preparation-progress.js';

/** Options of `prepare`. */
export interface PrepareOptions extends CommonOptions, ClusterOptions {
  readonly source?: SourceKind;
  readonly from?: string;
  readonly to: string;
  readonly size?: number;
  readonly classes?: number;
  readonly maxRejected?: number;
  readonly format?: 'jpg' | 'png';
  readonly workers?: number;
}

/** Turns a data set into shards; returns the exit code. */
export function prepareCommand(options: PrepareOptions, output: Output): Promise<number> {
  return withTeam(options, output, async (own, team) => {
    if (team) {
      const { workers: _, ...same } = options;
      await team.checkAlike({
        ...commandFacts(same),
        'the image libraries': Object.entries(imageTools).flat().join(' '),
      });
      own.line(`Preparing together: ${team.describe()}.`);
    }
    return prepare(options, own, team);
  });
}

async function prepare(options: PrepareOptions, output: Output, team: Team | undefined): Promise<number> {
  const { source, from, to, size, classes, maxRejected, format, workers } = options;
  const progress = !team || team.isFirst ? new PreparationProgress(output) : undefined;
  const interruption = new Interruption(() => progress?.say('Stopping; finished shards are kept.'));
  const { signal } = interruption;
  try {
    const onEvent = (event: PreparationEvent) => progress?.show(event);
    const preparation = { source, from, to, size, classes, maxRejected, encoding: format, workers, signal, onEvent };
    const prepared = await (team ? prepareTogether(team, preparation) : prepareDataset(preparation));
    progress?.stop();
    if (prepared) sayPrepared(options, prepared, output);
    return exitCode.success;
  } catch (error) {
    if (!signal.aborted && !(error instanceof Stopped)) throw error;
    progress?.stop();
    output.line(`Stopped. The same command continues from here; finished shards are in ${to}.`);
    return interruption.code;
  } finally {
    progress?.stop();
    interruption.dispose();
  }
}

function sayPrepared({ to }: PrepareOptions, { manifest, alreadyThere }: Preparation, output: Output): void {
  const { train, validation } = manifest.splits;
  const rejected = train.rejected + validation.rejected;
  output.result({
    directory: to,
    name: manifest.name,
    alreadyThere,
    classes: manifest.classes.length,
    train: train.images,
    validation: validation.images,
    rejected,
    size: manifest.preprocessing.size,
    mean: manifest.statistics.mean,
    standardDeviations: manifest.statistics.standardDeviations,
  });
  const count = (value: number) => value.toLocaleString('en-US');
  output.line(
    `${manifest.name}: ${count(train.images)} training and ${count(validation.images)} validation images, ` +
      `of ${count(manifest.classes.length)} classes, ${manifest.preprocessing.description}.`,
  );
  if (alreadyThere) output.line('The data set already exists, and all of its files match their checksums.');
  if (rejected > 0) output.line(`${count(rejected)} could not be used: ${to}/rejected.jsonl says why.`);
  output.line(`Train on them with:  ${alexnetCommand(['train', '--data', to, '--run', 'runs/mine'])}`);
}
