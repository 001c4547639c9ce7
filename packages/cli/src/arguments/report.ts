import { type Command, Option } from 'commander';
import { reportCommand } from '../commands/report.js';
import { adapterOption, jsonOption, maxRejectedOption } from '../options.js';
import { checkpointOption } from '../trained-run.js';
import { addExamples, addRequired, newCommand, type Run } from './command.js';

export function reportArguments(run: Run): Command {
  const command = newCommand('report', 'write an HTML file about a run: curves, filters, predictions');
  addRequired(command, new Option('--run <dir>', 'directory of the run'))
    .addOption(checkpointOption())
    .option('--data <dir>', "data set whose validation images are predicted (default: the run's)")
    .addOption(maxRejectedOption('leave those out that cannot be used, if they are no more than this fraction'))
    .addOption(adapterOption())
    .addOption(jsonOption())
    .action((options) => run(options, (output) => reportCommand(options, output)));
  return addExamples(command, 'report --run runs/mine');
}
