import type { Command } from 'commander';
import { similarCommand } from '../commands/similar.js';
import {
  adapterOption,
  jsonOption,
  layerOption,
  maxRejectedOption,
  meanOption,
  weightsOption,
  wholeNumber,
} from '../options.js';
import { checkpointOption } from '../trained-run.js';
import { addExamples, newCommand, type Run } from './command.js';

export function similarArguments(run: Run): Command {
  const command = newCommand(
    'similar',
    'find the training images most similar to an image, by the Euclidean distance between activations of the last hidden layer',
  )
    .argument('[image...]', 'image files')
    .option(
      '--build',
      'first build the index of all training images, or continue building it; needed once, and again if weights or images change',
    )
    .option('--run <dir>', 'directory of the run')
    .addOption(checkpointOption())
    .addOption(weightsOption())
    .addOption(meanOption())
    .option('--data <dir>', "data set whose training images are searched (default: the run's)")
    .addOption(maxRejectedOption('skip unusable images, up to this fraction'))
    .addOption(layerOption())
    .option('--neighbours <n>', 'number of similar images to show for each image', wholeNumber(1, 10_000), 6)
    .option(
      '--index <file>',
      'the file of the index, with 2 bytes for each activation and image (default: similar/LAYER.index in the run)',
    )
    .option('--to <file>', 'also draw each image with its similar images, as an SVG')
    .addOption(adapterOption())
    .addOption(jsonOption())
    .action((images: string[], options) => run(options, (output) => similarCommand(images, options, output)));
  return addExamples(
    command,
    'similar --run runs/mine --build',
    'similar cat.jpg dog.png --run runs/mine --to similar.svg',
    'similar cat.jpg --weights alexnet.safetensors --data data/imagenet --index imagenet.index',
  );
}
