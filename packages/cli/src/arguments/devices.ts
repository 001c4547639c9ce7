import { type Command, Option } from 'commander';
import { devicesCommand } from '../commands/devices.js';
import { tuneCommand } from '../commands/tune.js';
import { adapterOption, batchOption, jsonOption, modelOption, precisionOption } from '../options.js';
import { addExamples, newCommand, type Run } from './command.js';

export function devicesArguments(run: Run): Command {
  const command = newCommand(
    'devices',
    'list the adapters, their limits and features, and their measured speed; or tune the kernels of one',
  )
    .addOption(adapterOption())
    .addOption(jsonOption())
    .optionsGroup('Tuning:')
    .addOption(
      new Option(
        '--tune <effort>',
        'find the fastest kernels of a network: among a few candidates of each (quick), or among all (full)',
      ).choices(['quick', 'full']),
    )
    .addOption(modelOption('the network to tune'))
    .addOption(batchOption())
    .addOption(precisionOption())
    .addOption(new Option('--to <file>', 'also write the tunings to a file, for --tunings on another machine'))
    .action((options) =>
      run(options, (output) =>
        options.tune === undefined ? devicesCommand(options, output) : tuneCommand(options, output),
      ),
    );
  return addExamples(command, 'devices', 'devices --tune full --model paper --to my-gpu.json');
}
