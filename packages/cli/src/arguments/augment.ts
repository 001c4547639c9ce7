import { type Command, Option } from 'commander';
import { augmentCommand } from '../commands/augment.js';
import { adapterOption, jsonOption, seedParser, wholeNumber } from '../options.js';
import { addExamples, addRequired, newCommand, type Run } from './command.js';

export function augmentArguments(run: Run): Command {
  const command = newCommand(
    'augment',
    'draw an image next to sixteen augmented crops of it: shifted, flipped, with changed colours',
  ).argument('<image>', 'image file');
  addRequired(command, new Option('--to <file>', 'the PNG to write'))
    .option('--data <dir>', "data set whose colour statistics are used (default: ImageNet's)")
    .addOption(
      new Option('--size <pixels>', 'side length that the image is scaled and cropped to')
        .argParser(wholeNumber(1, 4096))
        .default(256),
    )
    .addOption(new Option('--crop <pixels>', 'side length of the crops').argParser(wholeNumber(1, 4096)).default(224))
    .addOption(new Option('--seed <n>', 'seed of all random choices').argParser(seedParser).default(0))
    .addOption(adapterOption())
    .addOption(jsonOption())
    .action((image: string, options) => run(options, (output) => augmentCommand(image, options, output)));
  return addExamples(command, 'augment cat.jpg --to crops.png');
}
