import { AlexError } from '@alex/tensor';
import type { Ranks } from '@alex/tensor/network';

/** The processes that train a run together, from the view of one of them; `openCluster()` of `@alex/cluster` returns this. */
export interface TrainingRanks extends Ranks {
  /** Gives every rank the bytes of every rank, by rank. All ranks call it in the same order. */
  allGather(bytes: Uint8Array): Promise<Uint8Array[]>;
}

/** Work failed on another rank, which reports it. */
export class ElsewhereError extends AlexError {}

/** Gives every rank a few numbers of every rank, by rank. */
export async function gatherNumbers(ranks: TrainingRanks, own: readonly number[]): Promise<number[][]> {
  const all = await ranks.allGather(new Uint8Array(Float64Array.from(own).buffer));
  return all.map((bytes) => [...new Float64Array(bytes.slice().buffer)]);
}

/**
 * Runs a function on rank 0 and gives its result to all ranks, or its error, because none can continue without the result.
 *
 * @param encode turns the result into bytes, `decode` back
 */
export async function onFirst<Result>(
  ranks: TrainingRanks,
  what: () => Promise<Result>,
  encode: (result: Result) => Uint8Array,
  decode: (bytes: Uint8Array) => Result,
): Promise<Result> {
  const nothing = new Uint8Array();
  if (ranks.rank > 0) {
    const [result, failure] = [await ranks.allGather(nothing), await ranks.allGather(nothing)];
    if (failure[0]!.length > 0) throw new ElsewhereError(`rank 0: ${Buffer.from(failure[0]!).toString()}`);
    return decode(result[0]!);
  }
  try {
    const result = await what();
    await ranks.allGather(encode(result));
    await ranks.allGather(nothing);
    return result;
  } catch (error) {
    await ranks.allGather(nothing);
    await ranks.allGather(Buffer.from(error instanceof Error ? error.message : String(error)));
    throw error;
  }
}
