import { softmaxCrossEntropy } from '@alex/loss';
import { sgd } from '@alex/optim';
import { type KernelAdapter, recordedKernels } from '@alex/tensor/testing';
import { alexnet, type Variant } from '../alexnet.js';
import { gpus } from './gpus.js';

/** A kernel of a training step, and the bytes that it must move. */
export interface KernelBytes {
  readonly label: string;
  readonly read: number;
  readonly written: number;
}

/** The options for recording a step. */
export interface StepOfBytes {
  readonly precision: 'float32' | 'mixed';
  readonly variant?: Variant;
  readonly batch?: number;
  readonly adapter?: KernelAdapter;
}

/** The kernels of a training step in order, and their bytes. Default: the paper's network at its batch, on a large GPU. */
export function stepBytes({
  precision,
  variant = 'paper',
  batch = 128,
  adapter = largeGpu,
}: StepOfBytes): KernelBytes[] {
  const options = { batch, precision, loss: softmaxCrossEntropy(), optimizer: sgd() };
  return recordedKernels(alexnet({ variant }), adapter, options)
    .filter(({ program }) => program === 'train')
    .map(({ label, traffic }) => ({ label, ...traffic }));
}

const largeGpu = gpus['subgroups of 32 and matrix units'];

/** The groups of kernels in the listing, by their labels. */
const groups: readonly (readonly [RegExp, string])[] = [
  [/^sgd\//, 'updates'],
  [/^lossScale\//, 'loss scale'],
  [/\/copy\b/, 'copies to 16 bits'],
  [/\/packWeights\//, 'packed weights'],
  [/\/weightGradient\/(fromPoints|sum) and /, 'weight gradients, sums together'],
  [/^(\w+)\/(forward|inputGradient|weightGradient|biasGradient|backward)\b.*/, '$1 $2'],
];

/** The bytes of a step by layer and direction, in order. */
export function groupedBytes(kernels: readonly KernelBytes[]): Map<string, KernelBytes> {
  const grouped = new Map<string, KernelBytes>();
  for (const { label, read, written } of kernels) {
    const [pattern, name] = groups.find(([pattern]) => pattern.test(label)) ?? [label, label];
    const group = label.replace(pattern, name).replace(/([a-z])([A-Z])/g, (_, a, b) => `${a} ${b.toLowerCase()}`);
    const own = name.includes('$') ? group : name;
    const before = grouped.get(own) ?? { label: own, read: 0, written: 0 };
    grouped.set(own, { label: own, read: before.read + read, written: before.written + written });
  }
  return grouped;
}

/** The bytes of a whole step. */
export function totalBytes(kernels: Iterable<KernelBytes>): number {
  return [...kernels].reduce((sum, { read, written }) => sum + read + written, 0);
}
