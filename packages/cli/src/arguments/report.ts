import { type Command, Option } from 'commander';
import { reportCommand } from '../commands/report.js';
import { adapterOption, jsonOption, maxRejectedOption } from '../options.js';
import { checkpointOption } from '../trained-run.js';
import { addExamples, addRequired, newCommand, type Run } from './command.js';

export function reportArguments(run: Run): Command {
  const command = newCommand(
    'report',
    'write an HTML file about a run: network, curves, errors compared with published ones, filters, predictions, speed, and how to reproduce it',
  );
  addRequired(command, new Option('--run <dir>', 'directory of the run'))
    .addOption(checkpointOption())
    .option('--data <dir>', "data set whose validation images are predicted (default: the run's)")
    .addOption(maxRejectedOption('skip unusable images, up to this fraction'))
    .addOption(
      new Option(
        '--views <n>',
        'evaluate the validation images for the report: 1, the centre of each; 10, as the paper did (default: only what was evaluated in training)',
      ).choices(['1', '10']),
    )
    .addOption(adapterOption())
    .addOption(jsonOption())
    .action(({ views, ...options }) =>
      run(options, (output) => reportCommand({ ...options, ...(views && { views: Number(views) }) }, output)),
    );
  return addExamples(command, 'report --run runs/mine', 'report --run runs/mine --views 10');
}
