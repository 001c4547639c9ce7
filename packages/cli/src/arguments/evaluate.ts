import { type Command, InvalidArgumentError, Option } from 'commander';
import { clusterOptions } from '../cluster/cluster-options.js';
import { evaluateCommand } from '../commands/evaluate.js';
import {
  adapterOption,
  jsonOption,
  maxRejectedOption,
  meanOption,
  tuneOption,
  tuningsOption,
  weightsOption,
} from '../options.js';
import { checkpointOption } from '../trained-run.js';
import { addExamples, newCommand, type Run } from './command.js';

export function evaluateArguments(run: Run): Command {
  const command = newCommand(
    'evaluate',
    'measure the top-1 and top-5 error of one trained network, or of several together, on validation images',
  )
    .option(
      '--run <dirs>',
      'directory of the run; the predictions of several, separated by commas, are averaged',
      (dirs: string, before: string | undefined) => {
        if (before === undefined) return dirs;
        throw new InvalidArgumentError(
          `Give several runs as one option, separated by commas: --run ${before},${dirs}.`,
        );
      },
    )
    .addOption(checkpointOption())
    .addOption(weightsOption())
    .addOption(meanOption())
    .option('--data <dir>', "data set whose validation images are used (default: the run's)")
    .addOption(maxRejectedOption('skip unusable images, up to this fraction'))
    .addOption(
      new Option('--views <n>', '1: the centre of each image; 10: corners, centre and their flips, averaged')
        .choices(['1', '10'])
        .default('1'),
    )
    .option(
      '--mix <mix>',
      'weights of several runs: equal; numbers separated by commas; or search (search:top5, search:top1, search:loss), which finds weights on the evaluated images (default: equal)',
    )
    .option(
      '--predictions <file>',
      "write the five most likely classes of each image, one image per line, as in ILSVRC's submissions",
    )
    .addOption(tuneOption('cached'))
    .addOption(tuningsOption())
    .addOption(adapterOption())
    .addOption(jsonOption());
  command.optionsGroup('Several processes, on one machine or many:');
  for (const option of clusterOptions(false)) command.addOption(option);
  command.action((options) =>
    run(options, (output) => evaluateCommand({ ...options, views: Number(options.views) }, output)),
  );
  return addExamples(
    command,
    'evaluate --run runs/paper --views 10',
    'evaluate --run runs/a,runs/b --mix search:top5',
    'evaluate --weights alexnet.safetensors --data data/imagenet',
  );
}
