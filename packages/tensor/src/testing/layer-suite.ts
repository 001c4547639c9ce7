import type { HostTensor, Shape } from '../shape.js';

/** The functions of a test runner: vitest's, jest's or `node:test`'s. */
export interface TestRunner {
  readonly describe: (name: string, tests: () => void) => void;
  readonly it: (name: string, test: () => Promise<void>) => void;
}

/** A layer at one size. Ragged sizes find the most mistakes: primes, and no multiples of 4. */
export interface LayerCase<Options> {
  /** Options for the factory. */
  readonly options: Options;
  /** `[N, C, H, W]` or `[N, F]`; at most a few hundred values, because of the finite differences. */
  readonly input: Shape;
  /** If the layer can be divided into columns: their number, and how they read the layer below. */
  readonly columns?: { readonly count: number; readonly from: 'own' | 'all' };
}

/** The arguments of a reference: values in the public layout. */
export interface ReferenceInput<Options> {
  readonly options: Options;
  readonly input: HostTensor;
  readonly parameters: Readonly<Record<string, HostTensor>>;
  readonly outputGradient: HostTensor;
}

/**
 * The results of a reference, in float64 and the public layout. Omitted gradients are only compared with finite
 * differences.
 */
export interface ReferenceOutput {
  readonly output: ArrayLike<number>;
  readonly inputGradient?: ArrayLike<number>;
  readonly parameterGradients?: Readonly<Record<string, ArrayLike<number>>>;
}

export interface LayerSuite<Options> extends TestRunner {
  /** Float64 loops from the definition, independent of the layer. */
  readonly reference?: (values: ReferenceInput<Options>) => ReferenceOutput;
  /** Generates an input. Default: N(0, 1). */
  readonly draw?: (shape: Shape, seed: number) => HostTensor;
  /** The smallest batch that the layer accepts. Default: 1. */
  readonly smallestBatch?: number;
  /** Whether an image's output depends on other images of the batch, as in batch normalization. Default: false. */
  readonly mixesImages?: boolean;
  /** Whether finite differences work: not if the layer makes random choices in every run. Default: true. */
  readonly hasSlopes?: boolean;
  /** Largest allowed differences, as fractions of the largest expected magnitude. Default: 1e-5 and 1e-4. */
  readonly tolerance?: { readonly output?: number; readonly gradient?: number };
}
