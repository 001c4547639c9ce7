import type { Split } from '@alex/data';
import type { TrainingRanks } from './ranks.js';

/**
 * The images of a split that one rank evaluates: consecutive ones, as many as on any other rank, or one more. In rank order they
 * are the whole split.
 */
export function splitOfRank(split: Split, { rank, size }: Pick<TrainingRanks, 'rank' | 'size'>): Split {
  const [first, end] = [rank, rank + 1].map((rank) => Math.floor((split.length * rank) / size)) as [number, number];
  return {
    length: end - first,
    labels: split.labels.subarray(first, end),
    imageName: (i) => split.imageName(first + i),
    read: (indices) => split.read(Array.from(indices, (i) => first + i)),
  };
}
