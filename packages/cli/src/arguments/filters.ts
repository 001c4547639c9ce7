import { type Command, Option } from 'commander';
import { filtersCommand } from '../commands/filters.js';
import { jsonOption, weightsOption, wholeNumber } from '../options.js';
import { checkpointOption } from '../trained-run.js';
import { addExamples, addRequired, newCommand, type Run } from './command.js';

export function filtersArguments(run: Run): Command {
  const command = newCommand(
    'filters',
    "draw the first layer's filters, column by column, and print how colourful each column is, now and during the training",
  )
    .option('--run <dir>', 'directory of the run')
    .addOption(checkpointOption())
    .addOption(weightsOption());
  addRequired(command, new Option('--to <file>', 'the image file: .png, or .svg for print and close inspection'))
    .option('--scale <pixels>', 'side of the square for each weight (default: 4)', wholeNumber(1, 1000))
    .option('--per-row <n>', 'filters per row (default: 16)', wholeNumber(1))
    .addOption(
      new Option(
        '--contrast <which>',
        'filter: scale each filter separately, so that all are visible; layer: scale all alike, so that strong filters stand out (default: filter)',
      ).choices(['filter', 'layer']),
    )
    .addOption(jsonOption())
    .action((options) => run(options, (output) => filtersCommand(options, output)));
  return addExamples(
    command,
    'filters --run runs/paper --to filters.png',
    'filters --weights alexnet.safetensors --to filters.svg',
  );
}
