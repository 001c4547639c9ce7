// The metrics of the run.

/** The metrics of the run: columns by split, each with an entry per line. */
const names = ['step', 'epoch', 'loss', 'top1Error', 'top5Error', 'learningRate', 'imagesPerSecond'];
const emptyColumns = () => Object.fromEntries(names.map((name) => [name, []]));
export const history = { train: emptyColumns(), val: emptyColumns() };

/** Replaces all metrics. */
export function replaceHistory(told) {
  Object.assign(history, told);
}

/** Adds lines. */
export function addPoints(told) {
  for (const split of ['train', 'val']) {
    for (const name of names) for (const value of told[split]?.[name] ?? []) history[split][name].push(value);
  }
}

export function meanOfLast(values, count) {
  const last = values.slice(-count);
  return last.reduce((sum, value) => sum + value, 0) / last.length;
}

/** An exponential mean over about a fiftieth of the points, corrected for its start at zero. */
export function runningMean(values) {
  const keep = values.length > 60 ? 1 - 50 / values.length : 0;
  let sum = 0;
  let weight = 0;
  return values.map((value) => {
    sum = keep * sum + value;
    weight = keep * weight + 1;
    return sum / weight;
  });
}

/** The first position whose value is not below the given one. */
export function placeOf(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The first step at each new learning rate. */
export function rateChanges() {
  const { step, learningRate } = history.train;
  const changes = [];
  for (let i = 1; i < step.length; i++) {
    if (learningRate[i] !== learningRate[i - 1]) changes.push({ step: step[i], rate: learningRate[i] });
  }
  return changes;
}
