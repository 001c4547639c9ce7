import type { MetricColumns } from '@alex/report';
import type { Metrics } from '@alex/trainer';

const names = ['step', 'epoch', 'loss', 'top1Error', 'top5Error', 'learningRate', 'imagesPerSecond'] as const;

type Split = Metrics['split'];

const emptyColumns = () => Object.fromEntries(names.map((name) => [name, [] as number[]])) as unknown as MetricColumns;

/** Lines of metrics by split and column. */
export class MetricHistory {
  readonly columns: Readonly<Record<Split, MetricColumns>> = { train: emptyColumns(), val: emptyColumns() };

  get isEmpty(): boolean {
    return this.columns.train.step.length + this.columns.val.step.length === 0;
  }

  add(metrics: Metrics): void {
    const columns = this.columns[metrics.split];
    // The page shows no more digits, and a long history takes half the time to transfer.
    for (const name of names) columns[name].push(name === 'step' ? metrics.step : Number(metrics[name].toPrecision(5)));
  }

  /** Drops the lines after a step: a run that continues from a checkpoint takes those steps again. */
  rewind(step: number): void {
    for (const columns of Object.values(this.columns)) {
      const kept = columns.step.filter((own) => own <= step).length;
      for (const name of names) columns[name].length = kept;
    }
  }

  clear(): void {
    this.rewind(-1);
  }
}
