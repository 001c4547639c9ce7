import {
  createProgram,
  createTensor,
  disposeTensor,
  type HostTensor,
  readTensor,
  ShapeError,
  type Tensor,
  writeTensor,
} from '@alex/tensor';
import { randomTensor, relativeError, testGpu } from '@alex/tensor/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectNoLeaks } from '../../../leaks.base.js';
import { softmaxCrossEntropy } from './softmax-cross-entropy.js';

interface Results {
  loss: Float32Array;
  top1Error: Float32Array;
  top5Error: Float32Array;
  /** `[N, classes]`, row-major. */
  probabilities: Float32Array;
  outputGradient?: Float32Array;
}

const gpu = await testGpu();
expectNoLeaks(gpu);

/** Swaps rows and columns: between `[N, classes]` and the order in memory. */
function transpose(data: Float32Array, rows: number, columns: number): Float32Array {
  return data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!);
}

async function runLoss(output: HostTensor, labels: readonly number[], training = true, on = gpu): Promise<Results> {
  const [images, classes] = output.shape as [number, number];
  const outputTensor = createTensor(on, 'output', output.shape);
  const labelTensor = createTensor(on, 'labels', [images], { dataType: 'u32' });
  writeTensor(on, outputTensor, transpose(output.data, images, classes));
  writeTensor(on, labelTensor, Uint32Array.from(labels));
  let recorded: Record<string, Tensor> = {};
  const program = createProgram(on, (recorder) => {
    recorded = {
      ...softmaxCrossEntropy().record(
        // Results get their own memory, so that they can be read here.
        { ...recorder, tensor: (label, shape) => createTensor(on, label, shape) },
        { output: outputTensor, labels: labelTensor, training },
      ),
    };
  });
  await program.run();
  const results: Record<string, Float32Array> = {};
  for (const [name, tensor] of Object.entries(recorded)) {
    const values = (await readTensor(on, tensor)) as Float32Array;
    results[name] = tensor.shape.length === 2 ? transpose(values, classes, images) : values;
    disposeTensor(on, tensor);
  }
  program.dispose();
  disposeTensor(on, outputTensor);
  disposeTensor(on, labelTensor);
  return results as unknown as Results;
}

/** Plain loops in float64. */
function reference({ shape, data }: HostTensor, labels: readonly number[]) {
  const [images, classes] = shape as [number, number];
  const loss: number[] = [];
  const probabilities: number[] = [];
  const outputGradient: number[] = [];
  const errors: { 1: number[]; 5: number[] } = { 1: [], 5: [] };
  for (let n = 0; n < images; n++) {
    const x = Array.from(data.subarray(n * classes, (n + 1) * classes));
    const label = labels[n]!;
    const atLabel = x[label]!;
    const others = x.filter((_, k) => k !== label);
    const top = Math.max(...x);
    const total = x.reduce((sum, value) => sum + Math.exp(value - top), 0);
    // log(1 + sum of the others relative to the label): exact for the most certain and the most mistaken outputs.
    const highest = Math.max(...others);
    const relative = others.reduce((sum, value) => sum + Math.exp(value - highest), 0);
    loss.push(
      classes === 1
        ? 0
        : highest > atLabel
          ? highest - atLabel + Math.log(relative + Math.exp(atLabel - highest))
          : Math.log1p(relative * Math.exp(highest - atLabel)),
    );
    x.forEach((value, k) => {
      const probability = Math.exp(value - top) / total;
      probabilities.push(probability);
      const others = x.reduce((sum, other, j) => (j === k ? sum : sum + Math.exp(other - top)), 0);
      outputGradient.push((k === label ? -others / total : probability) / images);
    });
    // The ranks that outputs equal to the label's share in descending order, and the fraction of them among the first.
    const places = [...x].sort((a, b) => b - a).flatMap((value, place) => (value === atLabel ? [place] : []));
    for (const guesses of [1, 5] as const) {
      errors[guesses].push(1 - places.filter((place) => place < guesses).length / places.length);
    }
  }
  return { loss, probabilities, outputGradient, top1Error: errors[1], top5Error: errors[5] };
}

/** Compares each value relative to its own size, down to sizes that float32 rounds to 0. */
function worstRelativeError(got: ArrayLike<number>, want: readonly number[]): number {
  return want.reduce(
    (worst, value, i) => Math.max(worst, Math.abs(got[i]! - value) / Math.max(Math.abs(value), 1e-30)),
    0,
  );
}

const row = (values: readonly number[]): HostTensor => ({
  shape: [1, values.length],
  data: Float32Array.from(values),
});

describe('softmaxCrossEntropy', () => {
  it('agrees with float64 for any number of images and classes and outputs of any size', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 70 }),
        fc.integer({ min: 1, max: 40 }),
        fc.nat(),
        async (images, classes, seed) => {
          const labels = Array.from({ length: images }, (_, n) => (seed + 7 * n) % classes);
          for (const scale of [0.01, 1, 30, 1e4]) {
            const output = randomTensor([images, classes], seed, scale);
            const got = await runLoss(output, labels);
            const want = reference(output, labels);
            expect(worstRelativeError(got.loss, want.loss)).toBeLessThan(1e-5);
            expect(relativeError(got.probabilities, want.probabilities)).toBeLessThan(1e-5);
            // For an output that is certainly right, every gradient may be smaller than float32 can represent.
            if (Math.max(...want.outputGradient.map(Math.abs)) > 1e-30) {
              expect(relativeError(got.outputGradient!, want.outputGradient)).toBeLessThan(1e-5);
            } else {
              expect(Math.max(...got.outputGradient!.map(Math.abs))).toBeLessThan(1e-29);
            }
            expect(relativeError(got.top1Error, want.top1Error)).toBeLessThan(1e-6);
            expect(relativeError(got.top5Error, want.top5Error)).toBeLessThan(1e-6);
          }
        },
      ),
      // The first example is certainly right: its gradients are below 1e-38.
      { numRuns: 20, seed: 2012, examples: [[1, 4, 12]] },
    );
  });

  it.each([
    ['software', 128, 1000],
    ['software', 1, 1000],
    ['hardware', 128, 1000],
    ['hardware', 1, 1000],
    ['hardware', 3, 10],
    ['hardware', 5, 131],
  ] as const)('on %s, accepts a batch of %i with %i classes', async (kind, images, classes) => {
    const on = await testGpu({}, kind);
    const before = on.liveBuffers;
    const output = randomTensor([images, classes], images, 3);
    const labels = Array.from({ length: images }, (_, n) => (n * 37) % classes);
    const got = await runLoss(output, labels, true, on);
    const want = reference(output, labels);
    expect(worstRelativeError(got.loss, want.loss)).toBeLessThan(1e-5);
    expect(worstRelativeError(got.probabilities, want.probabilities)).toBeLessThan(1e-5);
    expect(worstRelativeError(got.outputGradient!, want.outputGradient)).toBeLessThan(1e-5);
    expect([...got.top1Error]).toEqual(want.top1Error);
    expect([...got.top5Error]).toEqual(want.top5Error);
    expect(on.liveBuffers).toBe(before);
  });

  it('gives the gradient of the mean loss: central differences', async () => {
    const output = randomTensor([3, 4], 5);
    const labels = [2, 0, 3];
    const { outputGradient } = await runLoss(output, labels);
    const step = 2 ** -6;
    const meanLoss = async (index: number, change: number) => {
      const data = output.data.slice();
      data[index]! += change;
      const { loss } = await runLoss({ shape: output.shape, data }, labels);
      return loss.reduce((sum, value) => sum + value, 0) / 3;
    };
    const differences: number[] = [];
    for (let i = 0; i < output.data.length; i++) {
      differences.push(((await meanLoss(i, step)) - (await meanLoss(i, -step))) / (2 * step));
    }
    expect(relativeError(outputGradient!, differences)).toBeLessThan(1e-3);
  });

  it('keeps the precision of a loss and a gradient near 0', async () => {
    const output = row([20, 0, 1]);
    const got = await runLoss(output, [0]);
    const want = reference(output, [0]);
    expect(want.loss[0]).toBeLessThan(1e-8);
    expect(worstRelativeError(got.loss, want.loss)).toBeLessThan(1e-5);
    expect(worstRelativeError(got.outputGradient!, want.outputGradient)).toBeLessThan(1e-5);
  });

  it('survives outputs of plus and minus 1e4', async () => {
    const output = { shape: [2, 3], data: Float32Array.of(1e4, -1e4, 0, 1e4, -1e4, 0) };
    const got = await runLoss(output, [0, 1]);
    expect([...got.loss]).toEqual([0, 2e4]);
    expect([...got.probabilities]).toEqual([1, 0, 0, 1, 0, 0]);
    expect([...got.outputGradient!]).toEqual([-0, 0, 0, 0.5, -0.5, 0]);
  });

  it('gives ln(classes) if all outputs are equal', async () => {
    const got = await runLoss({ shape: [1, 1000], data: new Float32Array(1000) }, [123]);
    expect(got.loss[0]).toBeCloseTo(Math.log(1000), 5);
    expect(got.top1Error[0]).toBeCloseTo(1 - 1 / 1000, 6);
    expect(got.top5Error[0]).toBeCloseTo(1 - 5 / 1000, 6);
  });

  it.each([
    ['three share the first place', [7, 7, 0, 7, 1, 2], 0, 2 / 3, 0],
    ['the label is the only first', [7, 6, 6, 6, 6, 6], 0, 0, 0],
    ['three share the fifth place behind four', [9, 9, 9, 9, 5, 5, 5, 1], 5, 1, 2 / 3],
    ['two share the fifth and sixth place', [9, 8, 7, 6, 5, 5], 5, 1, 1 / 2],
    ['two share the fourth and fifth place', [9, 8, 7, 5, 5, 1], 4, 1, 0],
    ['sixth of six', [9, 8, 7, 6, 5, 4], 5, 1, 1],
    ['last of four', [4, 3, 2, 1], 3, 1, 0],
    ['last of five', [5, 4, 3, 2, 1], 4, 1, 0],
    ['all of six are equal', [0, 0, 0, 0, 0, 0], 3, 5 / 6, 1 / 6],
    ['the only class', [3], 0, 0, 0],
    ['both probabilities round to 0, the outputs do not tie', [0, -300, -400], 2, 1, 0],
    ['plus and minus 0 are equal', [0, -0], 1, 1 / 2, 0],
  ])('counts fractional errors if outputs tie: %s', async (_, outputs, label, top1Error, top5Error) => {
    const got = await runLoss(row(outputs), [label]);
    expect(got.top1Error[0]).toBeCloseTo(top1Error, 6);
    expect(got.top5Error[0]).toBeCloseTo(top5Error, 6);
  });

  it.each([
    ['a NaN at the label', [NaN, 1, 2], 0],
    ['a NaN elsewhere', [1, 2, NaN, 0, 0, 0, 0], 1],
    ['plus infinity', [1, Infinity, 2], 1],
    ['nothing but minus infinity', [-Infinity, -Infinity], 0],
  ])('gives NaN and error 1 for %s, to that image alone', async (_, outputs, label) => {
    const classes = outputs.length;
    const output = { shape: [3, classes], data: new Float32Array(3 * classes) };
    output.data.set(outputs, classes);
    const got = await runLoss(output, [0, label, 0]);
    expect(got.loss[1]).toBeNaN();
    expect([got.top1Error[1], got.top5Error[1]]).toEqual([1, 1]);
    for (const values of [got.probabilities, got.outputGradient!]) {
      expect([...values].map(Number.isNaN)).toEqual([...values].map((_, i) => Math.floor(i / classes) === 1));
    }
    for (const image of [0, 2]) expect(got.loss[image]).toBeCloseTo(Math.log(classes), 5);
  });

  it('treats minus infinity as a class of probability 0', async () => {
    const got = await runLoss({ shape: [2, 3], data: Float32Array.of(0, -Infinity, 0, 0, -Infinity, 0) }, [0, 1]);
    expect(got.loss[0]).toBeCloseTo(Math.log(2), 6);
    expect(got.loss[1]).toBe(Infinity);
    expect([...got.probabilities]).toEqual([0.5, 0, 0.5, 0.5, 0, 0.5]);
    expect([...got.outputGradient!]).toEqual([-0.25, 0, 0.25, 0.25, -0.5, 0.25]);
  });

  it('gives no gradient if nothing learns, and the same loss', async () => {
    const output = randomTensor([5, 7], 3);
    const labels = [0, 1, 2, 3, 4];
    const { outputGradient: _, ...learning } = await runLoss(output, labels, true);
    expect(await runLoss(output, labels, false)).toEqual(learning);
  });

  it('gives the same bits twice', async () => {
    const output = randomTensor([33, 100], 4);
    const labels = Array.from({ length: 33 }, (_, n) => n);
    expect(await runLoss(output, labels)).toEqual(await runLoss(output, labels));
  });

  it('refuses outputs other than one score per class, and labels that do not fit', () => {
    const record = (output: number[], labels: number[], dataType: 'u32' | 'f32' = 'u32') => {
      const made: Tensor[] = [];
      const make = (label: string, shape: number[], type: 'u32' | 'f32') => {
        const tensor = createTensor(gpu, label, shape, { dataType: type });
        made.push(tensor);
        return tensor;
      };
      try {
        createProgram(gpu, (recorder) => {
          softmaxCrossEntropy().record(recorder, {
            output: make('output', output, 'f32'),
            labels: make('labels', labels, dataType),
            training: true,
          });
        });
      } finally {
        for (const tensor of made) disposeTensor(gpu, tensor);
      }
    };
    expect(() => record([2, 3, 1, 1], [2])).toThrow(ShapeError);
    expect(() => record([2, 3, 1, 1], [2])).toThrow('[2, 3, 1, 1]');
    expect(() => record([2, 3], [3])).toThrow(/2 images need 2 labels.*got 3/);
    expect(() => record([2, 3], [2], 'f32')).toThrow(/u32/);
  });
});
