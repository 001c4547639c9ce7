import { softmaxCrossEntropy } from '@alex/loss';
import { sgd } from '@alex/optim';
import { recordPrograms } from '@alex/tensor/network';
import { testGpu } from '@alex/tensor/testing';
import { expect, it } from 'vitest';
import { kernelChoices } from './kernel-choices.js';
import { describeModel } from './session.js';

const batch = 2;

/** The choices behind a kernel of the small network. */
async function choicesOf(label: string) {
  const gpu = await testGpu();
  const options = { batch, loss: softmaxCrossEntropy(), optimizer: sgd() };
  const train = recordPrograms(describeModel({ variant: 'small' }), gpu, options).find(({ name }) => name === 'train')!;
  return kernelChoices(gpu, train, label);
}

it('times a kernel without alternatives, and compares it with the memory bandwidth', async () => {
  const [choice, ...others] = await choicesOf('norm1/backward');
  expect(others).toEqual([]);
  // It reads the input and the gradient of the output, 32 x 28 x 28 values each, and writes the gradient of the input.
  const bytes = choice!.bytes;
  expect(bytes).toBe(3 * batch * 32 * 28 * 28 * 4);
  const [only, ...more] = await choice!.measure({ multiplyAddsPerSecond: 1e12, copyBytesPerSecond: 1e6 });
  expect(more).toEqual([]);
  const { milliseconds, rooflineShare, inUse } = only as {
    milliseconds: number;
    rooflineShare: number;
    inUse: boolean;
  };
  expect(inUse).toBe(true);
  expect(rooflineShare * milliseconds).toBeCloseTo(bytes / 1000, 6);
});

it('does not count intermediate values between the kernels of a computation as read or written', async () => {
  // Forward with packed weights: input, weights and bias come from outside, and the output stays.
  const [choice] = await choicesOf('conv1/packWeights/filters');
  const [images, weights, bias, outputs] = [3 * 56 * 56, 32 * 3 * 5 * 5, 32, 32 * 28 * 28];
  expect(choice!.kernel).toBe('conv2d/forward');
  expect(choice!.bytes).toBe(4 * (batch * (images + outputs) + weights + bias));
});
