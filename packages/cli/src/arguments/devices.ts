import { type Command, Option } from 'commander';
import { devicesCommand } from '../commands/devices.js';
import { tuneCommand } from '../commands/tune.js';
import { batchOption, jsonOption, modelOption, precisionOption, shownAdaptersOption } from '../options.js';
import { addExamples, newCommand, type Run } from './command.js';

export function devicesArguments(run: Run): Command {
  const command = newCommand(
    'devices',
    'list the adapters, their limits and features, and their measured speed; or tune the kernels of one',
  )
    .addOption(shownAdaptersOption())
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
      run(options, (output) => {
        if (options.tune !== undefined) return tuneCommand(options, output);
        // The adapter selected by the environment for other commands must not hide any others here.
        const isNamed = command.getOptionValueSource('adapters') === 'cli';
        return devicesCommand({ ...options, adapters: isNamed ? options.adapters : undefined }, output);
      }),
    );
  return addExamples(command, 'devices', 'devices --tune full --model paper --to my-gpu.json');
}
