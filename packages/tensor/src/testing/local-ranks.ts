import type { Ranks } from '../network/ranks.js';

/** An operation that the last of all ranks completes. */
interface Meeting {
  readonly given: unknown[];
  readonly done: Promise<void>;
  readonly end: () => void;
}

/** Ranks of one process. */
export interface LocalRanks extends Ranks {
  /** Gives every rank the bytes of every rank, by rank. */
  allGather(bytes: Uint8Array): Promise<Uint8Array[]>;
}

/**
 * Ranks within this process, for tests: a joint operation is performed when the last of them has called it. Sums are computed
 * in rank order, in float32.
 */
export function localRanks(size: number): LocalRanks[] {
  const meetings: Meeting[] = [];
  return Array.from({ length: size }, (_, rank) => {
    let asked = 0;
    const meet = async <Given>(own: Given, complete: (all: Given[]) => void = () => undefined): Promise<Given[]> => {
      const at = asked++;
      meetings[at] ??= newMeeting();
      const { given, done, end } = meetings[at];
      given[rank] = own;
      if (Object.keys(given).length === size) {
        complete(given as Given[]);
        end();
      }
      await done;
      return given as Given[];
    };
    return {
      rank,
      size,
      sum: (values, { factor }) => meet(values, (all) => addUp(all, factor)),
      allGather: (bytes) => meet(bytes.slice()),
    };
  });
}

function newMeeting(): Meeting {
  let end!: () => void;
  const done = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { given: [], done, end };
}

function addUp(all: readonly Float32Array[], factor: number): void {
  for (let i = 0; i < all[0]!.length; i++) {
    const sum = all.reduce((sum, values, rank) => (rank === 0 ? values[i]! : Math.fround(sum + values[i]!)), 0);
    for (const values of all) values[i] = sum * factor;
  }
}
