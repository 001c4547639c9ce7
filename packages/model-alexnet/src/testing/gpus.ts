import type { KernelAdapter } from '@alex/tensor/testing';

/** GPUs that need not be present: kernels are generated for them all the same. */
export const gpus = {
  /** NVIDIA's large cards of the 2022 generation, as reported by Dawn. */
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
  'no more than WebGPU guarantees': { kind: 'hardware', subgroupSize: undefined, features: ['shader-f16'] },
} as const satisfies Readonly<Record<string, KernelAdapter>>;
