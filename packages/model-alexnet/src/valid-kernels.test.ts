import { softmaxCrossEntropy } from '@alex/loss';
import { sgd } from '@alex/optim';
import type { Gpu } from '@alex/tensor';
import { recordedKernels, testGpu } from '@alex/tensor/testing';
import { describe, expect, it } from 'vitest';
import { alexnet, type Variant } from './alexnet.js';
import { gpus } from './testing/gpus.js';

/** The features that a kernel text requires of the adapter that compiles it. */
const asked: Readonly<Record<string, string>> = {
  f16: 'shader-f16',
  subgroups: 'subgroups',
  chromium_experimental_subgroup_matrix: 'chromium-experimental-subgroup-matrix',
};

describe.each(Object.entries(gpus))('on a GPU with %s', (_, adapter) => {
  it.each<[Variant, 'float32' | 'mixed']>([
    ['paper', 'float32'],
    ['paper', 'mixed'],
    ['cifar-13pct', 'float32'],
    ['cifar-13pct', 'mixed'],
    ['cifar-18pct', 'mixed'],
  ])('the kernels of %s, %s, are valid WGSL', async (variant, precision) => {
    const gpu = await testGpu();
    const options = { precision, loss: softmaxCrossEntropy(), optimizer: sgd() };
    const kernels = [128, 30].flatMap((batch) => recordedKernels(alexnet({ variant }), adapter, { ...options, batch }));
    const texts = new Map(kernels.map((kernel) => [kernel.text(), kernel.label]));
    expect(texts.size).toBeGreaterThan(30);
    let compiled = 0;
    for (const [code, label] of texts) {
      const needs = [...code.matchAll(/^enable (\w+);/gm)].map(([, name]) => asked[name!]!);
      if (needs.some((feature) => !gpu.features.has(feature))) continue;
      expect(await errorsOf(gpu, code), label).toEqual([]);
      compiled++;
    }
    // In mixed precision nearly all kernels need f16, which SwiftShader lacks.
    expect(compiled).toBeGreaterThan(precision === 'float32' ? 30 : 0);
  });
});

it.each(['float32', 'mixed'] as const)(
  'a size of subgroups is asked for only where it divides the workgroup: %s',
  (precision) => {
    const adapter = { ...gpus['subgroups of 32 and matrix units'], vendor: 'amd', choosesSubgroupSize: true };
    const options = { precision, batch: 128, loss: softmaxCrossEntropy(), optimizer: sgd() };
    const texts = recordedKernels(alexnet({ variant: 'paper' }), adapter, options).map((kernel) => kernel.text());
    const asked = texts.flatMap((text) => [...text.matchAll(/@subgroup_size\(32\) @workgroup_size\((\d+)/g)]);
    expect(asked.length).toBeGreaterThan(10);
    for (const [text, across] of asked) expect(Number(across) % 32, text).toBe(0);
  },
);

it('errors are found', async () => {
  const gpu = await testGpu();
  const code = '@compute @workgroup_size(1) fn main() { let half: u32 = 1.5; }';
  expect(await errorsOf(gpu, code)).toEqual([expect.stringMatching(/u32/)]);
});

/** The errors that the WGSL compiler finds. */
async function errorsOf({ device }: Gpu, code: string): Promise<string[]> {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code }) as unknown as {
    getCompilationInfo(): Promise<{ readonly messages: Iterable<{ readonly type: string; readonly message: string }> }>;
  };
  const { messages } = await module.getCompilationInfo();
  await device.popErrorScope();
  return [...messages].flatMap(({ type, message }) => (type === 'error' ? [message] : []));
}
