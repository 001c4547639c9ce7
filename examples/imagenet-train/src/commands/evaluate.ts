import { evaluate, RunDirectory } from '@alex/trainer';
import { openDataOfRun } from '../data.js';
import { exitCode } from '../failure.js';
import type { AdapterOptions, TuningOptions } from '../options.js';
import { type Output, percent } from '../output.js';
import { openTrained } from '../session.js';

/** What `evaluate` takes. */
export interface EvaluateOptions extends AdapterOptions, TuningOptions {
  readonly run: string;
  readonly data?: string;
  readonly views: number;
}

/** Measures a trained network on validation pictures; gives the exit code. */
export async function evaluateCommand(options: EvaluateOptions, output: Output): Promise<number> {
  const run = await RunDirectory.open(options.run);
  const dataset = await openDataOfRun(run.config, options.data);
  const session = await openTrained(run, {
    adapters: options.adapters,
    tuning: { effort: options.tune ?? 'cached', file: options.tunings, say: output.line },
  });
  try {
    const { network, augmenter } = session;
    const result = await evaluate({ network, augmenter, split: dataset.validation, views: options.views });
    output.result({ run: options.run, data: options.data ?? run.config.data.source, views: options.views, ...result });
    output.line(
      `${result.pictures.toLocaleString('en-US')} validation pictures, ${options.views === 1 ? 'one view' : `${options.views} views`} each: ` +
        `top-1 error ${percent(result.top1Error)}, top-5 error ${percent(result.top5Error)}, loss ${result.loss.toFixed(3)}.`,
    );
    return exitCode.success;
  } finally {
    session.dispose();
  }
}
