import { softmaxCrossEntropy } from '@alex/loss';
import { sgd } from '@alex/optim';
import { ConfigError } from '@alex/tensor';
import { exportTunings, measureRoofline, type TuningEffort } from '@alex/tensor/kernels';
import { type Precision, recordPrograms } from '@alex/tensor/network';
import { openAdapters } from '../adapters.js';
import { exitCode } from '../failure.js';
import { Interruption } from '../interrupt.js';
import type { AdapterOptions } from '../options.js';
import type { Output } from '../output.js';
import { defaultsOf } from '../recipes.js';
import { describeModel } from '../session.js';
import { tunedKernels, tunedTable } from '../tuned-kernels.js';
import { measureKernels } from '../tuning.js';
import { checkPlace } from '../write-result.js';

/** Options of `devices --tune`. */
export interface TuneCommandOptions extends AdapterOptions {
  readonly tune: TuningEffort;
  readonly to?: string;
  readonly model?: string;
  readonly batch?: number;
  readonly precision?: Precision;
}

/** Finds the fastest kernels of a network on an adapter, for later commands and for sharing; returns the exit code. */
export async function tuneCommand(options: TuneCommandOptions, output: Output): Promise<number> {
  const { tune: effort, model: variant = 'paper', to } = options;
  await checkPlace('--to', to);
  const description = describeModel({ variant });
  const batch = options.batch ?? defaultsOf(variant).batch;
  const [gpu, ...others] = await openAdapters(options.adapters);
  const interruption = new Interruption(() =>
    output.line('Stopping after this kernel; finished ones are kept. Ctrl-C again quits immediately.'),
  );
  try {
    if (others.length > 0)
      throw new ConfigError('--adapters: only one adapter can be tuned at a time, so that nothing else computes');
    output.line(`Tuning ${description.name}, ${batch} images per step, on ${gpu!.description.name}.`);
    const { precision } = options;
    const compiled = { batch, loss: softmaxCrossEntropy(), optimizer: sgd(), ...(precision && { precision }) };
    const { tunings, tuned, left, dropped } = await measureKernels(description, gpu!, compiled, {
      effort,
      signal: interruption.signal,
      eachKernel: true,
      say: output.line,
    });
    if (to !== undefined) await exportTunings(to, gpu!, tunings);
    const roofline = interruption.signal.aborted ? undefined : await measureRoofline(gpu!);
    const kernels = roofline && tunedKernels(gpu!, recordPrograms(description, gpu!, compiled), tunings, roofline);
    if (kernels) for (const line of tunedTable(kernels, roofline)) output.line(line);
    const { name: adapter, driver } = gpu!.description;
    output.result({
      adapter,
      driver,
      tunings: Object.fromEntries(tunings),
      tuned,
      left,
      dropped,
      ...(kernels && { roofline, kernels }),
      ...(to !== undefined && { file: to }),
    });
    output.line(`${tunings.size} kernels of ${description.name} are tuned, ${left.length} are not.`);
    if (to !== undefined)
      output.line(`${to} contains them; use the file with --tunings, also on another machine with this adapter.`);
    return interruption.signal.aborted ? interruption.code : exitCode.success;
  } finally {
    interruption.dispose();
    for (const one of [gpu, ...others]) one?.dispose();
  }
}
