import { ConfigError } from '@alex/tensor';
import { checkArray, checkOneOf } from '@alex/tensor/kernels';
import { chanceOfMissing } from './ranking.js';
import { logOfSum, Mean, type Scores } from './scores.js';

/** The objectives of the search for an ensemble's weights. */
export const mixGoals = ['top5', 'top1', 'loss'] as const;
export type MixGoal = (typeof mixGoals)[number];

/** Number of images that are mixed at a time. */
const atATime = 256;
/** Weights are multiples of one in this many parts: steps of 0.05, as in the 2012 code. */
const parts = 20;

/**
 * Averages the predictions of several networks for the same images, some images at a time.
 *
 * @param weights of each network, divided by their sum. Default: equal.
 * @throws ConfigError if the networks were not evaluated on the same images, or the weights do not fit
 */
export function* mix(members: readonly Scores[], weights?: readonly number[]): Generator<Scores, void, undefined> {
  const shares = sharesOf(members, weights);
  const { labels, classes } = members[0]!;
  for (let first = 0; first < labels.length; first += atATime) {
    const end = Math.min(first + atATime, labels.length);
    const mean = new Mean(labels.slice(first, end), classes);
    for (const [index, { probabilities, losses }] of members.entries()) {
      // A network with weight 0 has no influence, even where its probability is 0.
      if (shares[index] === 0) continue;
      mean.add(probabilities.subarray(first * classes, end * classes), losses.subarray(first, end), shares[index]!);
    }
    yield mean.scores();
  }
}

/**
 * Finds weights for the networks of an ensemble that lower its top-5 error, top-1 error or loss on images, as the 2012
 * code did: in steps of 0.05 from equal weights. Each step moves 0.05 from one network to another, always the best such move,
 * until none helps. If errors are equal, the lower loss is better. Such a search may end in a local minimum, so a second one
 * starts from the best network alone. The result is never worse than that network or equal weights.
 *
 * The error on the images of the search is slightly too optimistic: if you can, measure it on other images.
 *
 * @throws ConfigError if the networks were not evaluated on the same images, or the goal is unknown
 */
export function searchMix(members: readonly Scores[], goal: MixGoal): number[] {
  checkOneOf('searchMix', 'goal', goal, mixGoals);
  const equal = sharesOf(members);
  const measure = measureOf(members, goal);
  const count = members.length;
  const inUnits = Array.from(equal, (_, i) => Math.floor(((i + 1) * parts) / count) - Math.floor((i * parts) / count));
  const alone = members.map((_, i) => Array.from(equal, (_, other) => (other === i ? parts : 0)));
  const bestAlone = lowest(alone.map((units) => ({ weights: units, measure: measure(units) }))).weights;
  const found = [inUnits, bestAlone].map((start) => descend(start, measure).map((units) => units / parts));
  // Thirds and sevenths are not multiples of a step, so the final candidates are compared by the measure that an evaluation
  // would report.
  const candidates = [equal, ...found, bestAlone.map((units) => units / parts)];
  return lowest(candidates.map((weights) => ({ weights, measure: measureMix(members, weights, goal) }))).weights;
}

/** Moves one unit of weight from a network to another, always the best of all such moves, until none helps. */
function descend(start: readonly number[], measure: (weights: readonly number[]) => Measure): readonly number[] {
  let best = { weights: start, measure: measure(start) };
  for (;;) {
    const { weights } = best;
    const moved = weights.flatMap((own, from) =>
      own === 0
        ? []
        : weights.flatMap((_, to) =>
            from === to ? [] : [weights.map((units, i) => units + (i === to ? 1 : 0) - (i === from ? 1 : 0))],
          ),
    );
    const next = lowest([best, ...moved.map((other) => ({ weights: other, measure: measure(other) }))]);
    if (next === best) return weights;
    best = next;
  }
}

/** The one with the lowest measure; the first of equal ones. */
function lowest<Candidate extends { readonly measure: Measure }>(candidates: readonly Candidate[]): Candidate {
  return candidates.reduce((best, other) => (isBetter(other.measure, best.measure) ? other : best));
}

/** The measure that an evaluation of the networks with these weights reports. */
function measureMix(members: readonly Scores[], weights: readonly number[], goal: MixGoal): Measure {
  let [error, loss] = [0, 0];
  for (const { top1Errors, top5Errors, losses } of mix(members, weights)) {
    if (goal !== 'loss') error += sumOf(goal === 'top1' ? top1Errors : top5Errors);
    loss += sumOf(losses);
  }
  return [error, loss];
}

function sumOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** The quantity to minimize, and the one that decides between equals. */
type Measure = readonly [error: number, loss: number];

/** Losses that differ only by rounding count as equal. */
function isBetter([error, loss]: Measure, [otherError, otherLoss]: Measure): boolean {
  return error < otherError || (error === otherError && loss < otherLoss * (1 - 1e-9));
}

/** Measures weights in parts of one in {@link parts}. */
function measureOf(members: readonly Scores[], goal: MixGoal): (weights: readonly number[]) => Measure {
  const loss = (units: readonly number[]) => {
    const logarithms = units.map((own) => Math.log(own / parts));
    let total = 0;
    for (let image = 0; image < members[0]!.labels.length; image++) {
      total -= logOfSum(members.map(({ losses }, i) => logarithms[i]! - losses[image]!));
    }
    return total;
  };
  if (goal === 'loss') return (weights) => [0, loss(weights)];
  const contest = new Contest(members, goal === 'top1' ? 1 : 5);
  return (weights) => [contest.wrong(weights), loss(weights)];
}

/**
 * The comparisons between the true class of an image and another class that depend on the weights, because networks
 * disagree. All others are decided once, which leaves only a few.
 */
class Contest {
  readonly #k: number;
  /** Errors that do not depend on the weights. */
  #settled = 0;
  /**
   * For each open image: the number of classes that rank above its own in any case, and the end of its open
   * comparisons.
   */
  readonly #above: number[] = [];
  readonly #ends: number[] = [];
  /** For each open comparison, by how much every network prefers the other class. */
  readonly #leads: number[] = [];

  constructor(members: readonly Scores[], k: number) {
    this.#k = k;
    const { labels, classes } = members[0]!;
    for (const [image, label] of labels.entries()) {
      let above = 0;
      const disputes: number[] = [];
      for (let other = 0; other < classes; other++) {
        if (other === label) continue;
        const leads = members.map(
          ({ probabilities }) => probabilities[image * classes + other]! - probabilities[image * classes + label]!,
        );
        if (leads.every((lead) => lead > 0)) above++;
        else if (!leads.every((lead) => lead < 0)) disputes.push(...leads);
      }
      if (above >= k) this.#settled++;
      else if (above + disputes.length / members.length >= k) {
        this.#above.push(above);
        for (const lead of disputes) this.#leads.push(lead);
        this.#ends.push(this.#leads.length);
      }
    }
  }

  /** The number of images that are wrong with these weights. */
  wrong(weights: readonly number[]): number {
    let wrong = this.#settled;
    let at = 0;
    for (const [image, end] of this.#ends.entries()) {
      let above = this.#above[image]!;
      let equal = 1;
      for (; at < end; at += weights.length) {
        let lead = 0;
        for (let i = 0; i < weights.length; i++) lead += weights[i]! * this.#leads[at + i]!;
        if (lead > 0) above++;
        else if (lead === 0) equal++;
      }
      wrong += chanceOfMissing(this.#k, above, equal);
    }
    return wrong;
  }
}

/** The weights divided by their sum. */
function sharesOf(members: readonly Scores[], given?: readonly number[]): number[] {
  checkArray('an ensemble', 'the networks', members);
  const weights = given ?? members.map(() => 1);
  checkArray('an ensemble', 'weights', weights);
  const [first] = members;
  if (!first) throw new ConfigError('an ensemble needs at least one network');
  for (const [index, { labels, classes }] of members.entries()) {
    if (
      classes !== first.classes ||
      labels.length !== first.labels.length ||
      labels.some((l, i) => l !== first.labels[i])
    ) {
      throw new ConfigError(
        `network ${index + 1} of the ensemble was evaluated on ${labels.length} images of ${classes} classes, the first one on ` +
          `${first.labels.length} of ${first.classes}, or on others: evaluate all of them on the same images`,
      );
    }
  }
  const sum = weights.reduce((total, weight) => total + weight, 0);
  if (weights.length !== members.length || !weights.every((weight) => weight >= 0) || !(sum > 0 && sum < Infinity)) {
    throw new ConfigError(
      `${members.length} networks need as many weights of at least 0, not all of them 0; got ${weights.join(', ')}`,
    );
  }
  return weights.map((weight) => weight / sum);
}
