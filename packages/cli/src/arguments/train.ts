import { type Command, Option } from 'commander';
import { clusterOptions } from '../cluster/cluster-options.js';
import { trainCommand } from '../commands/train.js';
import { parseDashboardAddress } from '../dashboard/dashboard-address.js';
import {
  adaptersOption,
  batchOption,
  byteSize,
  jsonOption,
  maxRejectedOption,
  modelOption,
  percentage,
  positiveNumber,
  precisionOption,
  seedParser,
  strategyOption,
  tuneOption,
  tuningsOption,
  wholeNumber,
} from '../options.js';
import { recipeNames } from '../recipes.js';
import { addExamples, addRequired, newCommand, type Run } from './command.js';

export function trainArguments(run: Run): Command {
  const command = newCommand('train', 'train a network, or continue a run with --resume');
  addRequired(command.optionsGroup('Run:'), new Option('--run <dir>', 'directory of the run'))
    .option('--resume', 'continue the run from its last checkpoint; starts it if there is none')
    .option(
      '--from <path>',
      "start from the weights of another run, or of a file: a run's, torchvision's as safetensors, or a caffemodel; the last layer is reinitialized if the classes differ",
    )
    .option('--freeze <layers>', 'layers that keep their weights, separated by commas, such as conv1,conv2')
    .addOption(
      new Option(
        '--dashboard [address]',
        'show training progress on a web page, and print its address; by default only for this machine; on another address, such as 0.0.0.0:8080, browsers need the printed token',
      ).argParser(parseDashboardAddress),
    )
    .addOption(jsonOption());

  command
    .optionsGroup('Data:')
    .option(
      '--data <dir>',
      'prepared shards, class folders of images, files of CIFAR or MNIST, or the word emoji (required for a new run)',
    )
    .option(
      '--data-changed',
      'with --resume: continue although images were added, removed, renamed or replaced since the run started',
    )
    .addOption(
      maxRejectedOption(
        'skip unusable images, up to this fraction; all images are checked before the first step, and unusable ones listed',
      ),
    )
    .option('--classes <n>', 'how many classes; for emoji only', wholeNumber(2))
    .option(
      '--size <pixels>',
      'side length that images are first scaled to (default: 8/7 of the crop, like 256 and 224)',
      wholeNumber(1),
    );

  command
    .optionsGroup('Network and optimization:')
    .addOption(modelOption('the network, with its published recipe'))
    .addOption(
      new Option(
        '--recipe <name>',
        `how to train, instead of --model: a file, or one of ${recipeNames.join(', ')}`,
      ).conflicts('model'),
    )
    .addOption(batchOption())
    .option(
      '--micro-batch <n>',
      'images per micro-batch, if a whole batch does not fit the memory; gives the same updates, up to rounding',
      wholeNumber(1),
    )
    .option('--steps <n>', 'training steps', wholeNumber(1))
    .addOption(
      new Option('--epochs <n>', 'passes over the training images, instead of --steps')
        .argParser(wholeNumber(1))
        .conflicts('steps'),
    )
    .option('--seed <n>', 'seed of all random choices (default: 0)', seedParser)
    .option(
      '--learning-rate <rate>',
      'learning rate at the start, or with --resume from now on (default: the published one)',
      positiveNumber,
    )
    .option(
      '--schedule <schedule>',
      "how the learning rate changes: constant, plateau, step:EPOCH,EPOCH..., exponential:FACTOR, or JSON as in a recipe (default: the recipe's)",
    )
    .option(
      '--schedule-epochs <n>',
      'schedule exponential only: epochs in which the learning rate falls (default: the whole run)',
      positiveNumber,
    )
    .option('--scale-rate', 'scale the learning rate with --batch: twice the batch, twice the rate')
    .option(
      '--warm-up <epochs>',
      "raise the learning rate during this many epochs, from 0, or from the recipe's with --scale-rate (default: the recipe's)",
      positiveNumber,
    )
    .option(
      '--patience <n>',
      'schedule plateau only: evaluations without improvement before the learning rate is lowered',
      wholeNumber(1),
    )
    .option(
      '--threshold <points>',
      'schedule plateau only: the least improvement that counts, in percentage points of the error, such as 0.1%',
      percentage,
    )
    .addOption(precisionOption());

  command
    .optionsGroup('Augmentation:')
    .option(
      '--crop <pixels>',
      "side length of the crops that the network sees (default: the network's)",
      wholeNumber(1),
    )
    .option('--no-random-crop', 'take every crop from the centre of its image')
    .option('--no-mirror', 'do not flip half of the crops')
    .option(
      '--chunk <images>',
      'how many consecutive images of a batch share their crop and flip: 32 in the 2012 code (default: 1)',
      wholeNumber(1),
    )
    .option('--no-colour', 'do not change colours');

  command
    .optionsGroup('Evaluation and checkpoints:')
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
    .option(
      '--keep <n>',
      'how many of the newest checkpoints to keep; the best is kept too (default: 2)',
      wholeNumber(1),
    )
    .addOption(
      new Option(
        '--on-divergence <what>',
        'when the loss explodes: stop, or return to the last good state with half the learning rates (default: stop)',
      ).choices(['stop', 'rollback']),
    );

  command
    .optionsGroup('Adapters and speed:')
    .addOption(adaptersOption())
    .addOption(strategyOption())
    .option('--memory <size>', 'the most memory to use on the adapter, such as 4GB', byteSize)
    .addOption(tuneOption('quick for a long training, else cached; a resumed run keeps its kernels'))
    .addOption(tuningsOption())
    .option(
      '--trace <file>',
      "before training, time one step and write a trace of each adapter's work, in Chrome's format; needs an adapter with timestamp-query",
    )
    .action((options) => run(options, (output, words) => trainCommand(options, words, output)));

  command.optionsGroup('Several processes, on one machine or many:');
  for (const option of clusterOptions(true)) command.addOption(option);

  return addExamples(
    command,
    'train --data data/imagenet --run runs/paper',
    'train --model small --data my-images --run runs/mine --epochs 20',
    'train --run runs/mine --resume',
  );
}
