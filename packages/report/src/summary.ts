import { type History, historyOf, type Metric } from './metrics.js';

/** The figures of a run that matter most; those that it has not come to yet are left out. */
export interface RunSummary {
  /** The last step of training. */
  readonly last?: Metric;
  /** The evaluation with the lowest top-1 error. */
  readonly best?: Metric;
  readonly lastEvaluation?: Metric;
  /** Images per second of the middle step, and of the middle evaluation, by speed. */
  readonly trainingSpeed?: number;
  readonly evaluationSpeed?: number;
}

/**
 * Sums a run up.
 *
 * @param metrics lines of `metrics.jsonl`, in any order; may be empty
 * @throws `DataError` for a line with a value that cannot be.
 */
export function summarize(metrics: readonly Metric[]): RunSummary {
  return summaryOf(historyOf(metrics));
}

export function summaryOf({ train, val }: History): RunSummary {
  const best = val.reduce<Metric | undefined>(
    (least, line) => (least && least.top1Error <= line.top1Error ? least : line),
    undefined,
  );
  return defined({
    last: train.at(-1),
    best,
    lastEvaluation: val.at(-1),
    trainingSpeed: middleSpeed(train),
    evaluationSpeed: middleSpeed(val),
  });
}

function middleSpeed(lines: readonly Metric[]): number | undefined {
  const speeds = lines.flatMap(({ imagesPerSecond }) => imagesPerSecond ?? []).sort((a, b) => a - b);
  return speeds[speeds.length >> 1];
}

/** Leaves out what is not there. */
function defined(summary: { [Key in keyof RunSummary]-?: RunSummary[Key] | undefined }): RunSummary {
  return Object.fromEntries(Object.entries(summary).filter(([, value]) => value !== undefined));
}
