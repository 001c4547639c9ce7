import type { Command } from 'commander';
import { kernelCommand } from '../commands/kernel.js';
import { adapterOption, batchOption, jsonOption, modelOption, precisionOption } from '../options.js';
import { addExamples, newCommand, type Run } from './command.js';

export function kernelArguments(run: Run): Command {
  const command = newCommand('kernel', 'show one kernel of a network on an adapter, or list all of them')
    .argument('[name]', 'the kernel, such as conv2/forward (default: list all)')
    .addOption(modelOption('the network that it is part of'))
    .addOption(batchOption())
    .addOption(precisionOption())
    .option('--bytes', 'list all kernels with the bytes that each must move')
    .option('--wgsl', 'print its text as the driver compiles it')
    .option('--candidates', 'time every candidate for it, and show its fraction of the roofline')
    .addOption(adapterOption())
    .addOption(jsonOption())
    .action((name: string | undefined, options) => run(options, (output) => kernelCommand(name, options, output)));
  return addExamples(
    command,
    'kernel --model paper',
    'kernel --model paper --batch 128 --bytes',
    'kernel conv2/forward --model paper --batch 128 --candidates',
    'kernel norm1/backward --wgsl',
  );
}
