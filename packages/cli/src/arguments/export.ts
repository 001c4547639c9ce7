import { type Command, Option } from 'commander';
import { exportCommand } from '../commands/export.js';
import { exporters } from '../export/formats.js';
import { jsonOption, labelsOption, meanOption, weightsOption } from '../options.js';
import { checkpointOption } from '../trained-run.js';
import { addExamples, addRequired, newCommand, type Run } from './command.js';

export function exportArguments(run: Run): Command {
  const command = newCommand('export', 'write a trained network for other programs: ONNX, PyTorch, Caffe, browsers')
    .option('--run <dir>', 'directory of the run')
    .addOption(checkpointOption())
    .addOption(weightsOption())
    .addOption(meanOption())
    .addOption(labelsOption());
  addRequired(
    command,
    new Option(
      '--format <name>',
      "onnx: the whole network; torchvision: safetensors with the names of torchvision.models.alexnet; safetensors: with this program's own names; caffe: a caffemodel, with prototxt, mean and labels beside it; browser: a JSON file and weights in 16 bits beside it, for the site's page",
    ).choices(Object.keys(exporters)),
    new Option('--to <file>', 'the file to write'),
  )
    .option('--with-preprocessing', 'onnx: include the mean, the scale and the crop, so that the model takes pixels')
    .addOption(jsonOption())
    .action((options) => run(options, (output) => exportCommand(options, output)));
  return addExamples(
    command,
    'export --run runs/paper --format onnx --to paper.onnx',
    'export --run runs/mine --checkpoint best --format onnx --with-preprocessing --to mine.onnx',
  );
}
