import { type Command, Option } from 'commander';
import { featuresCommand } from '../commands/features.js';
import { adapterOption, jsonOption, layerOption, meanOption, weightsOption } from '../options.js';
import { checkpointOption } from '../trained-run.js';
import { addExamples, addRequired, newCommand, type Run } from './command.js';

export function featuresArguments(run: Run): Command {
  const command = newCommand('features', "write a layer's activations for images as an array for NumPy")
    .argument('[image...]', 'image files; each becomes one row of the array, in this order')
    .option('--run <dir>', 'directory of the run')
    .addOption(checkpointOption())
    .addOption(weightsOption())
    .addOption(meanOption());
  addRequired(
    command,
    new Option(
      '--to <file>',
      'the array, float32 .npy; the names of its images are written next to it: x.names.txt for x.npy',
    ),
  )
    .addOption(layerOption())
    .option('--data <dir>', 'a data set instead of image files; also writes the class of each image: x.labels.txt')
    .addOption(
      new Option('--split <name>', "which images of --data, or of the run's data (default: val)").choices([
        'train',
        'val',
      ]),
    )
    .addOption(adapterOption())
    .addOption(jsonOption())
    .action((images: string[], options) => run(options, (output) => featuresCommand(images, options, output)));
  return addExamples(
    command,
    'features cat.jpg dog.png --run runs/mine --layer conv1 --to conv1.npy',
    'features --run runs/mine --split train --to features.npy',
    'features --weights alexnet.safetensors --layer relu7 --data my-images --to features.npy',
  );
}
