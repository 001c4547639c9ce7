import { type PreparationEvent, prepareDataset, type SourceKind } from '@alex/data';
import { exitCode } from '../failure.js';
import { Interruption } from '../interrupt.js';
import { alexnetCommand } from '../invocation.js';
import type { CommonOptions } from '../options.js';
import type { Output } from '../output.js';
import { PreparationProgress } from '../preparation-progress.js';

/** Options of `prepare`. */
export interface PrepareOptions extends CommonOptions {
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
export async function prepareCommand(options: PrepareOptions, output: Output): Promise<number> {
  const { source, from, to, size, classes, maxRejected, format, workers } = options;
  const progress = new PreparationProgress(output);
  const interruption = new Interruption(() => progress.say('Stopping; finished shards are kept.'));
  try {
    const { manifest, alreadyThere } = await prepareDataset({
      source,
      from,
      to,
      size,
      classes,
      maxRejected,
      encoding: format,
      workers,
      signal: interruption.signal,
      onEvent: (event: PreparationEvent) => progress.show(event),
    });
    progress.stop();
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
    return exitCode.success;
  } catch (error) {
    if (!interruption.signal.aborted) throw error;
    progress.stop();
    output.line(`Stopped. The same command continues from here; finished shards are in ${to}.`);
    return interruption.code;
  } finally {
    progress.stop();
    interruption.dispose();
  }
}
