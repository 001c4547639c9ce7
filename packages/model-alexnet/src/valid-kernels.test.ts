import { softmaxCrossEntropy } from '@alex/loss';
import { sgd } from '@alex/optim';
import type { Gpu } from '@alex/tensor';
import { type KernelAdapter, recordedKernels, testGpu } from '@alex/tensor/testing';
import { describe, expect, it } from 'vitest';
import { alexnet, type Variant } from './alexnet.js';

/** Kernels for GPUs that are not at hand are generated all the same, and the WGSL compiler checks them. */
const gpus: Readonly<Record<string, KernelAdapter>> = {
  'subgroups of 32 and matrix units': {
    kind: 'hardware',
    vendor: 'nvidia',
    subgroupSize: 32,
    subgroupMatrix: { rows: 16, columns: 16, steps: 16 },
    features: ['shader-f16'],
    bindingBytes: 2 ** 31 - 4,
    workgroupBytes: 49_152,
    workgroupInvocations: 1024,
    bindings: 16,
  },
  'subgroups of 64': {
    kind: 'hardware',
    subgroupSize: 64,
    features: ['shader-f16'],
    workgroupBytes: 65_536,
    workgroupInvocations: 1024,
    bindings: 16,
  },
  'no more than WebGPU promises': { kind: 'hardware', subgroupSize: undefined, features: ['shader-f16'] },
};

/** What a kernel text requires of the adapter that compiles it. */
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

it('finds errors', async () => {
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
