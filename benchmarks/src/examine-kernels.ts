import { join } from 'node:path';
import { softmaxCrossEntropy } from '@alex/loss';
import { sgd } from '@alex/optim';
import type { Gpu, NetworkDescription } from '@alex/tensor';
import { createTuningCache } from '@alex/tensor/kernels';
import { type CompileOptions, tuneNetwork } from '@alex/tensor/network';

/**
 * Makes a network use the same kernels as a training run without tuning: kernels for matrix units are used once their
 * results have been found right. The results of these checks are stored in the folder `ALEX_CACHE`, if that is set.
 */
export async function examineKernels(
  description: NetworkDescription,
  gpu: Gpu,
  options: Pick<CompileOptions, 'batch' | 'precision'>,
): Promise<void> {
  const folder = process.env['ALEX_CACHE'];
  const cache = folder ? createTuningCache(join(folder, 'tunings')) : undefined;
  const learning = { loss: softmaxCrossEntropy(), optimizer: sgd() };
  await tuneNetwork(description, gpu, { ...options, ...learning, effort: 'cached', cache });
}
