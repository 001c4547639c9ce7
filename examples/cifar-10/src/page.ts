import { type Net, nets } from './nets.js';
import type { Summary, Validation } from './summary.js';

/** The networks whose difference the paper attributes to normalization (section 3.3). */
const [without, withNormalization] = ['cifar-13pct', 'cifar-11pct'] as const;

/** Writes the page of the results from the summaries alone, including which results are missing. */
export function cifar10Page(summaries: readonly Summary[]): string {
  const adapters = [...new Set(summaries.map(({ adapter }) => adapter))];
  return `# CIFAR-10: cuda-convnet's networks compared with their published errors

<!-- Made by \`npm run results -w cifar-10\` from cifar-10.jsonl; a test checks this. -->

| network | published | ours | epochs | seeds | hours |
|---|---|---|---|---|---|
${nets.map((net) => netLine(net, finishedOf(net, summaries))).join('\n')}

Errors on the 10,000 test images, of completed training runs. Published errors: the names of cuda-convnet's files
(2011), and for \`${without}\` its page on methodology. Hours count only the steps, on a machine with other work.

${unfinishedPart(summaries)}
## Normalization

${normalizationPart(summaries)}

## How they are trained

| network | stages: epochs, images, rate | tested with |
|---|---|---|
${nets.map(({ name, stages, views }) => `| \`${name}\` | ${stages.map(stageText).join('; ')} | ${views === 1 ? 'the whole image' : 'ten views'} |`).join('\n')}

- Learning rates, decays and numbers of epochs are those of cuda-convnet's files. If images were held out there, they are held out here: the last fifth
  (10,064 of the 50,000; there, the file of 10,000), until the stage that trains on all. Crops of 24 pixels and flips for the last two, none for the first two.
- For training runs in progress, the error is that of the centre of each image, held out or test as stated.
- Adapter: ${adapters.join('; ') || 'none yet'}.

## How to reproduce it

\`\`\`sh
npm start -w cifar-10                             # prepares CIFAR-10, trains, tests; resumes if it was stopped
npm run results -w cifar-10 -- --runs RUNS        # this page and cifar-10.jsonl; RUNS is the folder of the runs
\`\`\`
`;
}

function finishedOf({ name, views }: Net, summaries: readonly Summary[]): Summary[] {
  return summaries.filter(
    ({ net, epochs, wholeEpochs, test }) =>
      net === name && epochs >= wholeEpochs && test?.epochs === wholeEpochs && test.views === views,
  );
}

function netLine({ name, published }: Net, finished: readonly Summary[]): string {
  const errors = finished.map(({ test }) => test!.error);
  const hours = finished.map(({ seconds }) => seconds / 3600);
  const cells =
    finished.length === 0
      ? ['not finished', '-', '-', '-']
      : [
          spread(errors, (error) => percent(error)),
          `${finished[0]!.wholeEpochs}`,
          finished.map(({ seed }) => seed).join(', '),
          spread(hours, (value) => value.toFixed(1)),
        ];
  return `| \`${name}\` | ${published.text} | ${cells.join(' | ')} |`;
}

function unfinishedPart(summaries: readonly Summary[]): string {
  const missing = nets.filter((net) => finishedOf(net, summaries).length === 0);
  const underWay = summaries.filter(({ epochs, wholeEpochs }) => epochs < wholeEpochs);
  if (missing.length === 0 && underWay.length === 0) return '';
  const lines = underWay.map(({ net, seed, epochs, wholeEpochs, validations, test, seconds }) => {
    const last = validations.at(-1);
    const seen = last ? `${percent(last.error)} (${heldOutText(last)}, epoch ${last.epoch})` : '-';
    const tested = test ? `${percent(test.error)} (${test.views} views, epoch ${test.epochs})` : '-';
    return `| \`${net}\` | ${seed} | ${epochs} of ${wholeEpochs} | ${seen} | ${tested} | ${(seconds / 3600).toFixed(1)} |`;
  });
  const begun = new Set(summaries.map(({ net }) => net));
  const notBegun = missing.filter(({ name }) => !begun.has(name)).map(({ name }) => `\`${name}\``);
  return `**Partial results.** ${notBegun.length > 0 ? `Not started: ${notBegun.join(', ')}. ` : ''}${lines.length > 0 ? 'In progress, with the errors so far:' : ''}
${
  lines.length > 0
    ? `
| network | seed | epochs | centre | test | hours |
|---|---|---|---|---|---|
${lines.join('\n')}
`
    : ''
}`;
}

/**
 * Two runs with the same seed, at the last epoch at which both were evaluated on the same images.
 *
 * @returns undefined if there is no such epoch
 */
export function atEqualEpochs(one: Summary, other: Summary): { one: Validation; other: Validation } | undefined {
  const pairs = one.validations.flatMap((validation) => {
    const same = other.validations.find(
      ({ epoch, images }) => epoch === validation.epoch && images === validation.images,
    );
    return same ? [{ one: validation, other: same }] : [];
  });
  return pairs.at(-1);
}

function normalizationPart(summaries: readonly Summary[]): string {
  const claim = `The paper says that normalization lowers the error of a four-layer network on CIFAR-10 from 13% to 11% (section 3.3): \`${without}\` and \`${withNormalization}\`, which
also differ in the width of their third layer and in the decay of the last one.`;
  const lines = summaries
    .filter(({ net }) => net === without)
    .flatMap((plain) => {
      const normalized = summaries.find(({ net, seed }) => net === withNormalization && seed === plain.seed);
      const pair = normalized && atEqualEpochs(plain, normalized);
      if (!pair) return [];
      const difference = 100 * (pair.one.error - pair.other.error);
      return [
        `| ${plain.seed} | ${pair.one.epoch} | ${heldOutText(pair.one)} | ${percent(pair.one.error)} | ${percent(pair.other.error)} | ${difference.toFixed(1)} points |`,
      ];
    });
  if (lines.length === 0) return `${claim} They have not been compared yet.`;
  return `${claim} At equal epochs, seeds and learning rates, with the centre of each image:

| seed | epochs | images | without | with | difference |
|---|---|---|---|---|---|
${lines.join('\n')}`;
}

function stageText({ epochs, images, learningRate }: Net['stages'][number], index: number): string {
  const rate = learningRate ?? (index === 0 ? "the recipe's" : 'as before');
  return `${epochs}, ${images === 'all' ? 'all' : 'four fifths'}, ${rate}`;
}

function heldOutText({ images }: Validation): string {
  return images === 'all' ? 'test' : 'held out';
}

function spread(values: readonly number[], text: (value: number) => string): string {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length === 1) return text(mean);
  return `${text(mean)} (${text(Math.min(...values))} to ${text(Math.max(...values))})`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}
