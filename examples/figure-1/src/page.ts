import { type Arrival, type Comparison, compare, type Spread } from './compare.js';
import { type Curve, epochsTo, target } from './curve.js';
import { type Activation, activations } from './network.js';
import { mostEpochs, seeds } from './plan.js';
import { searchEpochs, searchError } from './search.js';

const names: Readonly<Record<Activation, string>> = {
  relu: 'ReLU',
  tanh: 'tanh',
  absTanh: '\\|tanh\\|',
  logistic: 'logistic',
};

const all = Object.keys(activations) as Activation[];

/** The curves of each activation at its best rate, for the figure. */
export function shownCurves(curves: readonly Curve[]): Curve[] {
  const rows = compare(curves, all);
  return curves.filter(({ activation, learningRate }) =>
    rows.some((row) => row.activation === activation && row.learningRate === learningRate),
  );
}

/** Writes the page of the results from the curves alone, including which results are missing. */
export function figure1Page(curves: readonly Curve[]): string {
  const rows = compare(curves, all);
  const adapters = [...new Set(curves.map(({ adapter }) => adapter))];
  const hours = curves.reduce((sum, { seconds }) => sum + seconds, 0) / 3600;
  return `# Figure 1: ReLU against tanh

<!-- Made by \`npm run results -w figure-1\` from figure-1.jsonl; a test checks this. -->

${headline(rows)}

![Training error by epochs: ReLU solid, tanh dashed](figure-1.svg)

A four-layer network of three convolutions and a softmax layer learns CIFAR-10 until its training error is 25%; each activation uses the
best learning rate of a small search. Each line is a run with its own seed. [As PNG](figure-1.png).

${unfinished(rows)}

| activation | learning rate | ${seeds.map((seed) => `seed ${seed}`).join(' | ')} | iterations to ${share(target)}: mean (least to most) | times ReLU's |
|---|---|${seeds.map(() => '---|').join('')}---|---|
${rows.map(comparisonLine).join('\n')}

The columns of the seeds give the epochs to ${share(target)}. The paper reports six times for tanh compared with ReLU, for a network that it does not describe further.

## The search

Training error after ${searchEpochs} epochs, seed ${seeds[0]}, and epochs to ${share(target)} for the rates that were continued. Rates are tried in factors of two from cuda-convnet's 0.001
until both neighbours of the best are worse; the best two are continued.

| activation | learning rate | error after ${searchEpochs} epochs | epochs to ${share(target)} |
|---|---|---|---|
${searchLines(curves).join('\n')}

## How it is measured

- **Network.** cuda-convnet's 18% net without its normalization: 5 x 5 convolutions of 32, 32 and 64 filters, each with its activation and pooling 3 x 3
  every 2 (maxima, then twice means), and a softmax layer; weights from N(0, 0.0001), then N(0, 0.01), biases 0. No weight decay, no dropout, no crops, no
  flips; the mean image is subtracted. Momentum 0.9, batches of 128, biases at twice the rate (as in cuda-convnet's files), the rate constant.
- **Training error.** Each image counts as it was classified before the training step that used it, over all 50,000 images of an epoch (except the 80 that do not
  fill a batch). The 2012 code logs the same; it costs nothing. An epoch's mean is plotted at the middle of the epoch, and the crossing of ${share(target)} is
  interpolated linearly between the two nearest.
- **Iterations** are steps of 128 images, ${curves[0]?.stepsPerEpoch ?? 390} per epoch. A run that has not reached the target after ${mostEpochs} epochs is stopped.
- **Adapter.** ${adapters.join('; ') || 'None yet'}. ${hours.toFixed(1)} hours of steps in total, on a machine that ran other work, so the time says nothing about the speed.

## How to reproduce it

\`\`\`sh
npm start -w figure-1                              # prepares CIFAR-10 and trains; resumes if it was stopped
npm run results -w figure-1 -- --runs RUNS         # this page, its figure and figure-1.jsonl; RUNS is the folder of the runs
\`\`\`
`;
}

function headline(rows: readonly Comparison[]): string {
  const tanh = rows.find(({ activation }) => activation === 'tanh');
  if (tanh?.ratio) {
    return `**tanh takes ${tanh.ratio.mean.toFixed(1)} times the iterations of ReLU to ${share(target)} training error${between(tanh.ratio)}; the paper says six.**`;
  }
  if (tanh?.ratioAbove) {
    return `**tanh has not reached ${share(target)} training error yet: it takes more than ${tanh.ratioAbove.toFixed(1)} times the iterations of ReLU; the paper says six.**`;
  }
  return '**There is no ratio yet.**';
}

function between({ least, most }: Spread): string {
  return least === most ? ' (one seed)' : ` (${least.toFixed(1)} to ${most.toFixed(1)} over the seeds)`;
}

function unfinished(rows: readonly Comparison[]): string {
  const missing = all.flatMap((activation) => {
    const row = rows.find((one) => one.activation === activation);
    if (!row) return [`${names[activation]} has not started`];
    const arrived = row.arrivals.filter(({ epochs }) => epochs !== undefined).length;
    return [
      ...(row.searched ? [] : [`the search for ${names[activation]}'s rate is unfinished`]),
      ...(arrived < seeds.length
        ? [`${names[activation]} has ${arrived} of ${seeds.length} seeds at ${share(target)}`]
        : []),
    ];
  });
  return missing.length === 0 ? 'All runs are finished.' : `**Partial results.** ${capital(missing.join('; '))}.`;
}

function comparisonLine({ activation, learningRate, arrivals, iterations, ratio, ratioAbove }: Comparison): string {
  const cells = seeds.map((seed) => arrivalCell(arrivals.find((arrival) => arrival.seed === seed)));
  const steps = iterations
    ? `${Math.round(iterations.mean).toLocaleString('en-US')} (${Math.round(iterations.least).toLocaleString('en-US')} to ${Math.round(iterations.most).toLocaleString('en-US')})`
    : '-';
  const times = ratio ? `${ratio.mean.toFixed(2)}` : ratioAbove ? `more than ${ratioAbove.toFixed(1)}` : '-';
  return `| ${names[activation]} | ${learningRate} | ${cells.join(' | ')} | ${steps} | ${activation === 'relu' ? '1' : times} |`;
}

function arrivalCell(arrival: Arrival | undefined): string {
  if (!arrival) return '-';
  if (arrival.epochs !== undefined) return arrival.epochs.toFixed(2);
  return arrival.error === undefined ? '-' : `${share(arrival.error, 1)} after ${arrival.trained}`;
}

function searchLines(curves: readonly Curve[]): string[] {
  return all.flatMap((activation) =>
    curves
      .filter((curve) => curve.activation === activation && curve.seed === seeds[0])
      .sort((a, b) => a.learningRate - b.learningRate)
      .map((curve) => {
        const error = searchError(curve);
        const epochs = epochsTo(curve.errors);
        const tried = curve.errors.length < searchEpochs && curve.divergedAt !== undefined;
        const cell = tried
          ? `diverged at step ${curve.divergedAt}`
          : error === undefined
            ? 'in progress'
            : share(error, 1);
        return `| ${names[activation]} | ${curve.learningRate} | ${cell} | ${epochs?.toFixed(2) ?? '-'} |`;
      }),
  );
}

function share(value: number, digits = 0): string {
  return `${(100 * value).toFixed(digits)}%`;
}

function capital(text: string): string {
  return text[0]!.toUpperCase() + text.slice(1);
}
