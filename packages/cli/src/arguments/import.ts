import { type Command, Option } from 'commander';
import { importCommand } from '../commands/import.js';
import { jsonOption, labelsOption, meanOption } from '../options.js';
import { addExamples, addRequired, newCommand, type Run } from './command.js';

export function importArguments(run: Run): Command {
  const command = newCommand(
    'import',
    "write a network of another program as weights of this one: an ONNX model, torchvision's safetensors, a caffemodel",
  )
    .argument('<file>', 'the model or weights')
    .addOption(meanOption())
    .addOption(labelsOption());
  addRequired(command, new Option('--to <file>', 'the safetensors to write, for --weights and train --from'))
    .addOption(jsonOption())
    .action((file: string, options) => run(options, (output) => importCommand(file, options, output)));
  return addExamples(command, 'import model.onnx --to alexnet.safetensors');
}
