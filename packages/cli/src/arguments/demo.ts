import type { Command } from 'commander';
import { demoCommand } from '../commands/demo.js';
import { demoRecipe } from '../demo-recipe.js';
import { adapterOption, jsonOption, seedParser, tuneOption, tuningsOption, wholeNumber } from '../options.js';
import { newCommand, type Run } from './command.js';

export function demoArguments(run: Run): Command {
  return newCommand('demo', 'train a small AlexNet on the embedded images and show the result')
    .option('--run <dir>', 'directory of the run (default: runs/demo-TIME)')
    .option('--classes <n>', `how many kinds of emoji to tell apart (default: ${demoRecipe.classes})`, wholeNumber(2))
    .option('--steps <n>', `training steps (default: ${demoRecipe.training.steps})`, wholeNumber(1))
    .option('--seed <n>', `seed of all random choices (default: ${demoRecipe.seed})`, seedParser)
    .addOption(tuneOption('cached'))
    .addOption(tuningsOption())
    .addOption(adapterOption())
    .addOption(jsonOption())
    .action((options) => run(options, (output, words) => demoCommand(options, words, output)));
}
