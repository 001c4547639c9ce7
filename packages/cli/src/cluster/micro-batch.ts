import { ConfigError } from '@alex/tensor';
import type { Recipe, Stretch } from '@alex/trainer';

/**
 * How many images of a step's batch a rank computes at a time: `wanted`, or as many as its share allows.
 *
 * @param batch images of a step, of all ranks together
 * @throws ConfigError if the batch cannot be divided among the ranks
 */
export function microBatchFor(batch: number, ranks: number, wanted: number): number {
  const share = batch / ranks;
  if (!Number.isInteger(share)) {
    throw new ConfigError(
      `--batch ${batch} cannot be divided among ${ranks} ranks; give a multiple of ${ranks}, such as ${Math.ceil(share) * ranks}`,
    );
  }
  let most = Math.min(share, wanted);
  while (share % most !== 0) most--;
  return most;
}

/**
 * A remark if a resumed run adds up its gradients in another order than before. N ranks with one micro-batch each add
 * up like one process with N micro-batches; otherwise each rank first adds up its own.
 *
 * @param before what trained the run so far
 */
export function otherRounding(
  before: readonly Stretch[],
  { batch, microBatch: microBatchBefore = batch }: Pick<Recipe, 'batch' | 'microBatch'>,
  ranks: number,
  microBatch: number,
): string | undefined {
  const ranksBefore = before.at(-1)?.ranks?.hosts.length ?? 1;
  const old = orderOf(batch, ranksBefore, microBatchBefore);
  const now = orderOf(batch, ranks, microBatch);
  if (old === now) return undefined;
  return `The gradients of a step were the sum of ${old}, and are that of ${now} from here on: the same up to rounding, not bit for bit.`;
}

function orderOf(batch: number, ranks: number, microBatch: number): string {
  const each = batch / ranks / microBatch;
  if (ranks === 1 || each === 1) return `${(ranks * each).toLocaleString('en-US')} x ${microBatch} images`;
  return `${ranks} ranks' sums of ${each} x ${microBatch} images`;
}
