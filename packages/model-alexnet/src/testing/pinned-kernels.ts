import { createHash } from 'node:crypto';
import { softmaxCrossEntropy } from '@alex/loss';
import { sgd } from '@alex/optim';
import { type KernelAdapter, recordedKernels } from '@alex/tensor/testing';
import { alexnet } from '../alexnet.js';

/** Adapters whose kernels differ: two software drivers, and a GPU, whose products share through workgroup memory. */
const adapters: Readonly<Record<string, KernelAdapter>> = {
  'subgroups of 4': { kind: 'software', subgroupSize: 4, bindingBytes: 2 ** 30 },
  'subgroups of 8': { kind: 'software', subgroupSize: 8, features: ['shader-f16'] },
  GPU: { kind: 'hardware', subgroupSize: undefined, features: ['shader-f16'], bindingBytes: 2 ** 31 },
};

/** The paper's batch, and a small one. */
const batches = [128, 8];

/** The text of every kernel of the paper's network, by adapter, precision, batch and label. */
export function paperKernels(): Map<string, string> {
  const description = alexnet({ variant: 'paper' });
  const texts = new Map<string, string>();
  for (const [name, adapter] of Object.entries(adapters)) {
    for (const precision of adapter.features ? (['float32', 'mixed'] as const) : (['float32'] as const)) {
      for (const batch of batches) {
        const options = { batch, precision, loss: softmaxCrossEntropy(), optimizer: sgd() };
        for (const kernel of recordedKernels(description, adapter, options)) {
          const { program, label, workgroups, reads, writes, wgsl } = kernel;
          const key = `${name}, ${precision}, batch ${batch}: ${program} ${label}`;
          const text = `// reads ${reads.join(', ')}\n// writes ${writes.join(', ')}\n// workgroups ${workgroups.join(' x ')}\n${wgsl}\n`;
          // Slices of one kernel share their label.
          texts.set(key, (texts.get(key) ?? '') + text);
        }
      }
    }
  }
  return texts;
}

/** Short, because this is not about security: two texts in 4 billion share a hash. */
export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}

/** A hash for each kernel, as stored in `fixtures/kernels.json`. */
export function paperHashes(): Record<string, string> {
  return Object.fromEntries([...paperKernels()].map(([key, text]) => [key, hashOf(text)]));
}
