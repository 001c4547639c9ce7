import type { Cluster } from '@alex/cluster';
import { gatherNumbers } from '@alex/trainer';

/** How a rank's clock differs from that of rank 0, in milliseconds. */
export interface ClockOffset {
  /** What to add to the rank's time. */
  readonly offset: number;
  /** The largest possible error of `offset`. */
  readonly within: number;
}

/** The shortest of so many meetings decides. */
const meetings = 20;

/**
 * How the clocks of all ranks differ. No rank leaves a meeting before all have come: when rank 0 comes, it is not later than
 * when another one leaves, and the other way round. So each meeting bounds the difference of two clocks.
 *
 * @param now this rank's clock, in milliseconds
 */
export async function clockOffsets(
  cluster: Cluster,
  now: () => number = () => performance.now(),
): Promise<ClockOffset[]> {
  const times: number[] = [];
  for (let meeting = 0; meeting < meetings; meeting++) {
    times.push(now());
    await cluster.barrier();
    times.push(now());
  }
  const all = await gatherNumbers(cluster, times);
  return all.map((own) => {
    let [least, most] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (let came = 0; came < own.length; came += 2) {
      least = Math.max(least, all[0]![came]! - own[came + 1]!);
      most = Math.min(most, all[0]![came + 1]! - own[came]!);
    }
    return { offset: (least + most) / 2, within: (most - least) / 2 };
  });
}
