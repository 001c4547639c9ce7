/** 0 if the label is among the `k` most likely, 1 if it is not, and with ties the probability that it is not. */
export function topError(probabilities: ArrayLike<number>, label: number, k: number): number {
  const own = probabilities[label]!;
  let above = 0;
  let equal = 0;
  for (let index = 0; index < probabilities.length; index++) {
    if (probabilities[index]! > own) above++;
    else if (probabilities[index]! === own) equal++;
  }
  return chanceOfMissing(k, above, equal);
}

/**
 * The probability that a label is not among the first `k` if `above` classes are more likely, and `equal` ones
 * (including itself) are equally likely and ordered at random.
 */
export function chanceOfMissing(k: number, above: number, equal: number): number {
  return 1 - Math.min(1, Math.max(0, (k - above) / equal));
}

/** The `count` most likely classes, most likely first; ties in order of the classes. */
export function mostLikely(probabilities: ArrayLike<number>, count: number): number[] {
  const best: number[] = [];
  for (let label = 0; label < probabilities.length; label++) {
    const own = probabilities[label]!;
    if (best.length === count && !(own > probabilities[best.at(-1)!]!)) continue;
    let place = best.length;
    while (place > 0 && own > probabilities[best[place - 1]!]!) place--;
    best.splice(place, 0, label);
    if (best.length > count) best.pop();
  }
  return best;
}
