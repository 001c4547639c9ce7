import { checkRunConfig, RunDirectory } from '@alex/trainer';
import { measureImages, openData } from '../data.js';
import { fingerprintOf } from '../data-fingerprint.js';
import { demoRecipe } from '../demo-recipe.js';
import type { Example } from '../examples.js';
import { exitCode } from '../failure.js';
import { alexnetCommand } from '../invocation.js';
import type { AdapterOptions, TuningOptions } from '../options.js';
import { type Output, percent } from '../output.js';
import { describeModel } from '../session.js';
import { type ShownNetwork, showNetwork } from '../shown-network.js';
import { checkNewRun, runTraining, sayHowToResume, trainingResult } from './training.js';

/** Options of `demo`. */
export interface DemoOptions extends AdapterOptions, TuningOptions {
  readonly run?: string;
  readonly classes?: number;
  readonly steps?: number;
  readonly seed?: number;
}

/** Number of printed predictions; the report shows more. */
const printed = 5;
const shown = 12;

/**
 * Trains the small network on the embedded images and shows the result; returns the exit code.
 *
 * @param words the command as given, which is recorded with the run
 */
export async function demoCommand(options: DemoOptions, words: readonly string[], output: Output): Promise<number> {
  const path = options.run ?? `runs/demo-${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}`;
  await checkNewRun(path);
  const steps = options.steps ?? demoRecipe.training.steps;
  const { variant, images, training } = demoRecipe;
  const dataset = await openData('emoji', {
    classes: options.classes ?? demoRecipe.classes,
    size: demoRecipe.imageSize,
    usualSize: demoRecipe.imageSize,
  });
  const { height, width, channels, classes, name } = dataset;
  const config = checkRunConfig({
    model: { variant, inputSize: describeModel({ variant }).input[1]! },
    data: {
      ...{ source: 'emoji', name, classes: [...classes], height, width, channels },
      fingerprint: await fingerprintOf(dataset),
    },
    images: {
      crop: 'random',
      padding: 0,
      mirror: images.mirror,
      scale: images.scale,
      ...(await measureImages(dataset, images)),
    },
    recipe: {
      ...training,
      // A demo with few classes has few images.
      batch: Math.min(training.batch, dataset.train.length),
      steps,
      // Even a short demo is evaluated.
      evaluateEvery: Math.min(training.evaluateEvery, steps),
      seed: options.seed ?? demoRecipe.seed,
    },
  });
  output.line('Training an AlexNet on images by four artists; it is tested on images by a fifth.');
  let network: ShownNetwork | undefined;
  const trained = await runTraining({
    path,
    config,
    words,
    dataset,
    adapters: options.adapters,
    tuning: { effort: options.tune ?? 'cached', file: options.tunings, say: output.line },
    output,
    begin: () => RunDirectory.create(path, config),
    afterwards: async (session) => {
      network = await showNetwork(session, dataset, shown);
    },
  });
  if (trained.interruptedCode !== undefined) {
    output.result(trainingResult(trained));
    sayHowToResume(trained, output);
    return trained.interruptedCode;
  }
  // Imported only now: the drawing code takes longer to load than everything else together.
  const { writeReport } = await import('../report/write-report.js');
  const report = await writeReport(await RunDirectory.open(path), network);
  const { examples = [] } = network ?? {};
  output.result({
    ...trainingResult(trained),
    report,
    examples: examples.map(({ image: _, ...example }) => example),
  });
  const { validation } = trained.result;
  output.line();
  if (validation) {
    const chance = 1 - 1 / classes.length;
    output.line(
      `Validation on images by an artist it has never seen: top-1 error ${percent(validation.top1Error)} ` +
        `(guessing: ${percent(chance)}), top-5 error ${percent(validation.top5Error)}.`,
    );
  }
  output.line('For example:');
  for (const { name, label, top5 } of spread(examples, printed)) {
    const [{ label: predicted, probability }] = top5 as [Example['top5'][number]];
    const verdict = label === predicted ? 'right' : `wrong, it is: ${label}`;
    output.line(`  ${name}: ${predicted} (${percent(probability)}), ${verdict}`);
  }
  output.line();
  output.line(`The run is in ${path}; see ${report}.`);
  output.line('Try next:');
  for (const words of [
    ['evaluate', '--run', path, '--data', 'emoji', '--views', '10'],
    ['classify', '--run', path, 'IMAGE'],
    ['train', '--data', 'DIRECTORY', '--model', variant, '--run', 'runs/mine'],
  ]) {
    output.line(`  ${alexnetCommand(words)}`);
  }
  return exitCode.success;
}

/** `count` of the values, from first to last. */
function spread<Value>(values: readonly Value[], count: number): Value[] {
  const least = Math.min(count, values.length);
  return Array.from({ length: least }, (_, i) => values[Math.floor((i * values.length) / least)]!);
}
