import { type RunSummary, summarize } from '@alex/report';
import type { Divergence, Metrics, RunConfig, RunDirectory, Stretch } from '@alex/trainer';

/** Everything in a run's directory except the weights. */
export interface RunRecord {
  readonly path: string;
  readonly config: RunConfig;
  readonly metrics: readonly Metrics[];
  readonly summary: RunSummary;
  /** The processes that trained it, the earliest first; none for a run of an earlier version. */
  readonly stretches: readonly Stretch[];
  readonly divergence?: Divergence;
  /** Whether its training has finished at least once. */
  readonly hasWeights: boolean;
}

/** @throws DataError that names the file, if one of them is invalid */
export async function readRunRecord(run: RunDirectory): Promise<RunRecord> {
  const metrics = await run.readMetrics();
  const divergence = await run.readDivergence();
  return {
    path: run.path,
    config: run.config,
    metrics,
    summary: summarize(metrics),
    stretches: await run.readProvenance(),
    ...(divergence && { divergence }),
    hasWeights: await run.hasWeights(),
  };
}

/** Seconds that the steps of training took, without evaluations and checkpoints. */
export function trainingSeconds({ config, metrics }: Pick<RunRecord, 'config' | 'metrics'>): number {
  const { batch } = config.recipe;
  return metrics.reduce(
    (sum, { split, imagesPerSecond }) =>
      split === 'train' && imagesPerSecond > 0 ? sum + batch / imagesPerSecond : sum,
    0,
  );
}

/** Whether the images are those of the paper's figures. */
export function isIlsvrc({ data }: RunConfig, year: 2010 | 2012): boolean {
  return data.name === `ImageNet (ILSVRC ${year})` && data.classes.length === 1000;
}
