import { DataError } from '@alex/tensor';
import { checkArray } from '@alex/tensor/kernels';

/** One line of a run's `metrics.jsonl`. */
export interface Metric {
  /** Steps of training taken so far. */
  readonly step: number;
  /** Passes over the training set so far, possibly fractional. */
  readonly epoch: number;
  readonly split: 'train' | 'val';
  /** In nats. */
  readonly loss: number;
  /** Fractions between 0 and 1. */
  readonly top1Error: number;
  readonly top5Error: number;
  readonly learningRate?: number;
  readonly imagesPerSecond?: number;
  /** Custom values; `colourfulness1` of the first column, and so on. */
  readonly extra?: Readonly<Record<string, number>>;
}

/** The lines of a run by split, each in order of steps. */
export interface History {
  readonly train: Metric[];
  readonly val: Metric[];
}

/**
 * Orders metrics by step. If a split has a step twice, because the run was resumed from an earlier step, the later line
 * counts.
 *
 * @throws `DataError` for a line with a value that cannot be drawn; ConfigError for metrics that are no array.
 */
export function historyOf(metrics: readonly Metric[]): History {
  checkArray('metrics', 'the lines', metrics);
  const splits = { train: new Map<number, Metric>(), val: new Map<number, Metric>() };
  for (const [index, metric] of metrics.entries()) {
    checkMetric(index + 1, metric);
    splits[metric.split].set(metric.step, metric);
  }
  const inOrder = (lines: Map<number, Metric>): Metric[] => [...lines.values()].sort((a, b) => a.step - b.step);
  return { train: inOrder(splits.train), val: inOrder(splits.val) };
}

/** The first training line with each new learning rate, not counting the initial rate. */
export function learningRateChanges(train: readonly Metric[]): { step: number; learningRate: number }[] {
  const changes: { step: number; learningRate: number }[] = [];
  let current: number | undefined;
  for (const { step, learningRate } of train) {
    if (learningRate === undefined || learningRate === current) continue;
    if (current !== undefined) changes.push({ step, learningRate });
    current = learningRate;
  }
  return changes;
}

function checkMetric(line: number, metric: Metric): void {
  const refuse = (field: keyof Metric, must: string): never => {
    throw new DataError(
      `metrics, line ${line} (step ${metric.step}): ${field} must be ${must}, got ${String(metric[field])}; ` +
        'omit the line to draw the others',
    );
  };
  if (typeof metric !== 'object' || metric === null) {
    throw new DataError(`metrics, line ${line}: must be an object, got ${String(metric)}`);
  }
  if (metric.split !== 'train' && metric.split !== 'val') refuse('split', "'train' or 'val'");
  if (!Number.isInteger(metric.step) || metric.step < 0) refuse('step', 'an integer of at least 0');
  for (const field of ['epoch', 'loss', 'learningRate', 'imagesPerSecond'] as const) {
    const optional = field === 'learningRate' || field === 'imagesPerSecond';
    if (!(optional && metric[field] === undefined) && !Number.isFinite(metric[field])) refuse(field, 'a finite number');
  }
  for (const field of ['top1Error', 'top5Error'] as const) {
    if (!(metric[field] >= 0 && metric[field] <= 1)) refuse(field, 'between 0 and 1');
  }
}
