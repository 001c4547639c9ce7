import type { Dataset } from '@alex/data';
import { checkRunConfig, predict, RunDirectory } from '@alex/trainer';
import { measurePictures, openData } from '../data.js';
import { demoRecipe } from '../demo-recipe.js';
import { exitCode } from '../failure.js';
import type { AdapterOptions } from '../options.js';
import { type Output, percent } from '../output.js';
import { describeModel, type Session } from '../session.js';
import { alexnetCommand, runTraining, sayHowToGoOn, trainingResult } from './training.js';

/** What `demo` takes. */
export interface DemoOptions extends AdapterOptions {
  readonly run?: string;
  readonly classes?: number;
  readonly steps?: number;
  readonly seed?: number;
}

/** One validation picture, and what the network takes it for. */
interface Example {
  readonly picture: string;
  readonly label: string;
  readonly predicted: string;
  readonly probability: number;
}

const exampleCount = 5;

/** Trains the small network on the embedded pictures and shows what it learnt; gives the exit code. */
export async function demoCommand(options: DemoOptions, output: Output): Promise<number> {
  const path = options.run ?? `runs/demo-${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}`;
  const { variant, pictures, training } = demoRecipe;
  const dataset = await openData('emoji', {
    classes: options.classes ?? demoRecipe.classes,
    size: demoRecipe.pictureSize,
    usualSize: demoRecipe.pictureSize,
  });
  const { height, width, channels, classes, name } = dataset;
  const config = checkRunConfig({
    model: { variant, inputSize: describeModel({ variant }).input[1]! },
    data: { source: 'emoji', name, classes: [...classes], height, width, channels },
    pictures: {
      crop: 'random',
      padding: 0,
      mirror: pictures.mirror,
      scale: pictures.scale,
      ...(await measurePictures(dataset, pictures)),
    },
    recipe: { ...training, steps: options.steps ?? training.steps, seed: options.seed ?? demoRecipe.seed },
  });
  output.line(
    'An AlexNet learns to tell things apart from pictures by four artists; it is tested on those of a fifth.',
  );
  let examples: Example[] = [];
  const trained = await runTraining(
    { config, dataset, adapters: options.adapters, output },
    () => RunDirectory.create(path, config),
    async (session) => {
      examples = await predictExamples(session, dataset);
    },
  );
  output.result({ ...trainingResult(trained), ...(examples.length > 0 && { examples }) });
  if (trained.interruptedCode !== undefined) {
    sayHowToGoOn(trained, output);
    return trained.interruptedCode;
  }
  const { validation } = trained.result;
  output.line();
  if (validation) {
    const chance = 1 - 1 / classes.length;
    output.line(
      `Validation, pictures by an artist it has never seen: top-1 error ${percent(validation.top1Error)} ` +
        `(guessing: ${percent(chance)}), top-5 error ${percent(validation.top5Error)}.`,
    );
  }
  output.line('Five of them:');
  for (const { label, predicted, probability } of examples) {
    const verdict = label === predicted ? 'right' : `wrong, it is: ${label}`;
    output.line(`  ${predicted} (${percent(probability)}): ${verdict}`);
  }
  output.line();
  output.line(`The run is in ${path}: its metrics, weights and configuration.`);
  output.line('Try next:');
  output.line(`  ${alexnetCommand} evaluate --run ${path} --data emoji --views 10`);
  output.line(`  ${alexnetCommand} classify --run ${path} PICTURE`);
  output.line(`  ${alexnetCommand} train --data DIRECTORY --model ${variant} --run runs/mine`);
  return exitCode.success;
}

/** Pictures from all over the validation split. */
async function predictExamples({ network, augmenter }: Session, { validation, classes }: Dataset): Promise<Example[]> {
  const count = Math.min(exampleCount, validation.length);
  const numbers = Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * validation.length) / count));
  const pictures = await validation.read(numbers);
  const predictions = await predict({ network, augmenter }, pictures, 1);
  return predictions.map(([likeliest], i) => ({
    picture: validation.pictureName(numbers[i]!),
    label: classes[pictures.labels[i]!]!,
    predicted: classes[likeliest!.label]!,
    probability: likeliest!.probability,
  }));
}
