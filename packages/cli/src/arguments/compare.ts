import { type Command, Option } from 'commander';
import { compareCommand } from '../commands/compare.js';
import { jsonOption } from '../options.js';
import { addExamples, newCommand, type Run } from './command.js';

export function compareArguments(run: Run): Command {
  const command = newCommand(
    'compare',
    'compare runs: figures, errors at the same epochs, and how their recipes, networks, data and versions differ',
  )
    .argument('<run...>', 'directories of runs')
    .option('--to <file>', 'write an HTML file with their curves in one plot')
    .addOption(
      new Option('--by <axis>', 'the horizontal axis of the curves: epochs, steps, or time spent in steps')
        .choices(['epoch', 'step', 'time'])
        .default('epoch'),
    )
    .addOption(jsonOption())
    .action((runs, options) => run(options, (output) => compareCommand(runs, options, output)));
  return addExamples(command, 'compare runs/a runs/b', 'compare runs/a runs/b runs/c --by time --to comparison.html');
}
