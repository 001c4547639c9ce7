import type { Command } from 'commander';
import { classifyCommand } from '../commands/classify.js';
import { adapterOption, jsonOption, labelsOption, meanOption, weightsOption } from '../options.js';
import { checkpointOption } from '../trained-run.js';
import { addExamples, newCommand, type Run } from './command.js';

export function classifyArguments(run: Run): Command {
  const command = newCommand('classify', 'show the five most likely classes of images')
    .argument('<image...>', 'image files')
    .option('--run <dir>', 'directory of the run')
    .addOption(checkpointOption())
    .addOption(weightsOption())
    .addOption(meanOption())
    .addOption(labelsOption())
    .addOption(adapterOption())
    .addOption(jsonOption())
    .action((images: string[], options) => run(options, (output) => classifyCommand(images, options, output)));
  return addExamples(command, 'classify cat.jpg dog.png --run runs/mine');
}
