import { type History, historyOf, type Metric } from './metrics.js';

/** The key figures of a run; those that it has not reached yet are omitted. */
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
 * Summarizes a run.
 *
 * @param metrics lines of `metrics.jsonl`, in any order; may be empty
 * @throws `DataError` for a line with an impossible value.
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

/** Omits undefined values. */
function defined(summary: { [Key in keyof RunSummary]-?: RunSummary[Key] | undefined }): RunSummary {
  return Object.fromEntries(Object.entries(summary).filter(([, value]) => value !== undefined));
}
