import type { RunStatus } from '@alex/report';
import { changeInWords } from '../change-in-words.js';
import { counted } from '../output.js';
import type { RunRecord } from './run-record.js';

const count = (value: number) => value.toLocaleString('en-US');

/** How far a run got, and why it stopped there. */
export function statusOf({ config, summary, stretches, divergence, hasWeights }: RunRecord): RunStatus {
  const { steps } = config.recipe;
  const step = summary.last?.step ?? 0;
  const epochs = summary.last ? `, ${counted(Number(summary.last.epoch.toFixed(2)), 'epoch')}` : '';
  const end = stretches.at(-1)?.end;
  if (hasWeights && step >= steps) return { kind: 'finished', text: `finished: ${counted(steps, 'step')}${epochs}` };
  const far = `${count(step)} of ${counted(steps, 'step')}${epochs}`;
  if (divergence && divergence.step > step && end?.outcome !== 'stopped') {
    return { kind: 'failed', text: `diverged at step ${count(divergence.step)}: ${far}` };
  }
  if (end?.outcome === 'failed') return { kind: 'failed', text: `failed after ${far}` };
  if (end?.outcome === 'stopped') return { kind: 'unfinished', text: `stopped after ${far}` };
  if (step === 0) return { kind: 'unfinished', text: `no steps yet, of ${count(steps)}` };
  // Killed or still running: the file does not say which.
  return { kind: 'unfinished', text: `unfinished: ${far}` };
}

/** The number of problems of one kind that are listed; more would hide the rest. */
const mostProblems = 5;

/** What a reader should know before a run's figures, one sentence each. */
export function remarksOn(record: RunRecord): string[] {
  const { config, stretches, divergence, summary } = record;
  const { recipe } = config;
  const frozen = Object.entries(recipe.overrides ?? {}).flatMap(([name, { learningRateScale }]) =>
    learningRateScale === 0 ? [name] : [],
  );
  const problems = stretches.flatMap((stretch) => stretch.problems);
  const last = stretches.at(-1);
  const adapters = last?.adapters ?? [];
  return [
    ...(recipe.startsFrom
      ? [
          `Fine-tuned: starts from the weights of ${recipe.startsFrom.weights}` +
            (recipe.startsFrom.replaces.length > 0 ? `; reinitialized: ${recipe.startsFrom.replaces.join(', ')}` : '') +
            '.',
        ]
      : []),
    ...(frozen.length > 0 ? [`Kept as they were, bit for bit: ${frozen.join(', ')}.`] : []),
    ...(recipe.precision === 'mixed' ? ['Trained in mixed precision: activations and weights in 16 bits.'] : []),
    ...(recipe.microBatch !== undefined && recipe.microBatch !== recipe.batch
      ? [`Each step of ${recipe.batch} images consists of batches of ${recipe.microBatch}.`]
      : []),
    ...(adapters.length > 1
      ? [`On ${adapters.length} adapters, sharing the work by ${last?.strategy ?? 'model'}.`]
      : []),
    ...(stretches.length > 1
      ? [
          `Resumed: trained in ${stretches.length} stretches, from steps ${stretches.map(({ step }) => count(step)).join(', ')} on.`,
        ]
      : []),
    ...(recipe.changes ?? []).map((change) => `Changed by hand ${changeInWords(change)}.`),
    ...(divergence
      ? [
          `The loss became ${divergence.loss} at step ${count(divergence.step)}` +
            (divergence.began === undefined ? '' : `; it started in ${divergence.began}`) +
            (divergence.step <= (summary.last?.step ?? 0) ? '; the run continued from an earlier step.' : '.'),
        ]
      : []),
    ...problems.slice(0, mostProblems).map((problem) => `Overcome: ${problem}`),
    ...(problems.length > mostProblems ? [`${problems.length - mostProblems} more problems were recovered from.`] : []),
    ...(stretches.length === 0 ? ['Its provenance was not recorded: it is a run of a version before 0.3.'] : []),
  ];
}
