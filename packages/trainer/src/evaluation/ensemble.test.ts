import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { threefry2x32 } from '@alex/tensor/kernels';
import { describe, expect, it } from 'vitest';
import { mix, searchMix } from './ensemble.js';
import { Tally } from './evaluate.js';
import { topError } from './ranking.js';
import type { Scores } from './scores.js';
import { Submission } from './submission.js';

/** A network that prefers the right class by `skill`, with its own noise. */
function scoresOf(seed: number, skill: number, { images = 300, classes = 8 } = {}): Scores {
  const labels = Uint32Array.from({ length: images }, (_, i) => i % classes);
  const probabilities = new Float32Array(images * classes);
  const losses = new Float64Array(images);
  for (const [image, label] of labels.entries()) {
    const outputs = Array.from(
      { length: classes },
      (_, k) => 3 * (threefry2x32(seed, 0, image, k)[0] / 2 ** 32) + (k === label ? skill : 0),
    );
    const sum = outputs.reduce((total, output) => total + Math.exp(output), 0);
    for (const [k, output] of outputs.entries()) probabilities[image * classes + k] = Math.exp(output) / sum;
    losses[image] = Math.log(sum) - outputs[label]!;
  }
  return withErrors({ labels, classes, probabilities, losses });
}

function withErrors(scores: Omit<Scores, 'top1Errors' | 'top5Errors'>): Scores {
  const { labels, classes, probabilities } = scores;
  const errors = (k: number) =>
    Float64Array.from(labels, (label, i) => topError(probabilities.subarray(i * classes, (i + 1) * classes), label, k));
  return { ...scores, top1Errors: errors(1), top5Errors: errors(5) };
}

function measure(members: readonly Scores[], weights?: readonly number[]) {
  const tally = new Tally();
  for (const scores of mix(members, weights)) tally.add(scores);
  return tally.result();
}

/** The same from the definition, image by image in float64. */
function byHand(members: readonly Scores[], weights: readonly number[]) {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let [loss, top1, top5] = [0, 0, 0];
  const { labels, classes } = members[0]!;
  for (const [image, label] of labels.entries()) {
    const mean = Array.from({ length: classes }, (_, k) =>
      members.reduce(
        (sum, { probabilities }, i) => sum + (weights[i]! / total) * probabilities[image * classes + k]!,
        0,
      ),
    );
    const above = mean.filter((value) => value > mean[label]!).length;
    loss -= Math.log(mean[label]!);
    top1 += above >= 1 ? 1 : 0;
    top5 += above >= 5 ? 1 : 0;
  }
  return { loss: loss / labels.length, top1, top5 };
}

describe('mix', () => {
  it('is the weighted mean of the predictions', () => {
    const members = [scoresOf(1, 1), scoresOf(2, 0.8), scoresOf(3, 0.5)];
    for (const weights of [
      [1, 1, 1],
      [0.5, 0.3, 0.2],
      [4, 0, 1],
    ]) {
      const result = measure(members, weights);
      const expected = byHand(members, weights);
      expect(result.images).toBe(300);
      expect(result.loss).toBeCloseTo(expected.loss, 5);
      expect([result.top1Wrong, result.top5Wrong]).toEqual([expected.top1, expected.top5]);
      expect(result.top1Error).toBe(expected.top1 / 300);
    }
    expect(measure(members)).toEqual(measure(members, [2, 2, 2]));
    // Independent errors are averaged away.
    const alone = members.map((member) => measure([member]).top1Error);
    expect(measure(members).top1Error).toBeLessThan(Math.min(...alone));
  });

  it('computes the loss of probabilities that round to 0, and divides errors among equals', () => {
    const sure = (loss: number): Scores =>
      withErrors({
        labels: Uint32Array.of(0),
        classes: 7,
        probabilities: Float32Array.of(0, 0.5, 0.5, 0, 0, 0, 0),
        losses: Float64Array.of(loss),
      });
    const result = measure([sure(900), sure(1000)]);
    expect(result.loss).toBeCloseTo(900 + Math.log(2), 9);
    // Five classes share ranks 3 to 7; two of these are not in the top five.
    expect(result).toMatchObject({ top1Error: 1, top5Wrong: 2 / 5 });
    expect(measure([sure(Infinity), sure(3)], [0, 1]).loss).toBeCloseTo(3, 12);
  });

  it('refuses scores of different images', () => {
    const member = scoresOf(1, 1);
    expect(() => [...mix([])]).toThrow(/at least one network/);
    expect(() => [...mix([member, scoresOf(1, 1, { images: 299 })])]).toThrow(/network 2 .* 299 images/);
    expect(() => [...mix([member, scoresOf(1, 1, { classes: 6 })])]).toThrow(/6 classes/);
    for (const weights of [[1], [1, -1], [0, 0], [1, Number.NaN]]) {
      expect(() => [...mix([member, member], weights)]).toThrow(/2 networks need as many weights/);
    }
  });
});

describe('searchMix', () => {
  it.each(['top1', 'top5', 'loss'] as const)('finds weights with a lower %s', (goal) => {
    const members = [scoresOf(1, 1.5), scoresOf(2, 0.1), scoresOf(3, 1), scoresOf(4, 0)];
    const weights = searchMix(members, goal);
    expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 12);
    const [before, after] = [measure(members), measure(members, weights)];
    if (goal === 'loss') expect(after.loss).toBeLessThan(before.loss);
    else expect(after[`${goal}Wrong`]).toBeLessThan(before[`${goal}Wrong`]);
    // No single move helps any more. The loss decides between equal errors, so it is not compared here.
    const key = goal === 'loss' ? 'loss' : (`${goal}Wrong` as const);
    for (const from of weights.keys()) {
      for (const to of weights.keys()) {
        if (from === to || weights[from]! < 0.05) continue;
        const moved = weights.map((weight, i) => weight + (i === to ? 0.05 : 0) - (i === from ? 0.05 : 0));
        expect(measure(members, moved)[key]).toBeGreaterThanOrEqual(after[key] - 1e-9);
      }
    }
  });

  it('finds the only trained network', () => {
    const weights = searchMix([scoresOf(5, 0), scoresOf(6, 9)], 'loss');
    expect(weights[1]).toBeGreaterThanOrEqual(0.95);
  });

  it.each(['top1', 'top5', 'loss'] as const)('never gives a higher %s than the best network alone', (goal) => {
    const key = goal === 'loss' ? 'loss' : (`${goal}Error` as const);
    for (let seed = 1; seed <= 40; seed++) {
      // Few images of few classes, as after a short training: there are local minima and ties.
      const sizes = { images: 24, classes: 7 };
      const members = [0.05, 1.2, 0.3].map((skill, i) => scoresOf(10 * seed + i, skill, sizes));
      const weights = searchMix(members, goal);
      const searched = measure(members, weights)[key];
      for (const member of members) expect(searched, `seed ${seed}`).toBeLessThanOrEqual(measure([member])[key] + 1e-9);
      expect(searched).toBeLessThanOrEqual(measure(members)[key] + 1e-9);
    }
  });

  it('keeps equal weights if nothing is better', () => {
    const member = scoresOf(1, 1);
    expect(searchMix([member, member, member], 'top1')).toEqual([1 / 3, 1 / 3, 1 / 3]);
  });
});

describe('Submission', () => {
  it('has a line of five numbers for each image', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'alex-submission-'));
    try {
      const file = join(directory, 'predictions.txt');
      const scores = { labels: new Uint32Array(2), classes: 6 };
      const probabilities = Float32Array.of(0, 0.1, 0.4, 0.2, 0.3, 0, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1);
      const plain = new Submission();
      plain.add({ ...scores, probabilities });
      await plain.write(file);
      expect(await readFile(file, 'utf8')).toBe('3 5 4 2 1\n1 2 3 4 5\n');
      const numbered = new Submission([60, 50, 40, 30, 20, 10]);
      numbered.add({ ...scores, probabilities });
      await numbered.write(file);
      expect(await readFile(file, 'utf8')).toBe('40 20 30 50 60\n60 50 40 30 20\n');
      await expect(plain.write(join(directory, 'missing', 'x'))).rejects.toThrow(
        /could not be written: there is no such/,
      );
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
