import type { HostTensor, Shape } from '../shape.js';

/** The functions of a test runner: vitest's, jest's or `node:test`'s. */
export interface TestRunner {
  readonly describe: (name: string, tests: () => void) => void;
  readonly it: (name: string, test: () => Promise<void>) => void;
}

/** A layer at one size. Ragged sizes find the most mistakes: primes, and none a multiple of 4. */
export interface LayerCase<Options> {
  /** What the factory is given. */
  readonly options: Options;
  /** `[N, C, H, W]` or `[N, F]`; a few hundred values at most, since slopes are measured. */
  readonly input: Shape;
  /** That the layer can be shared out over so many columns, and what it reads of the layer below then. */
  readonly columns?: { readonly count: number; readonly from: 'own' | 'all' };
}

/** What a reference is given: values in outside layout. */
export interface ReferenceInput<Options> {
  readonly options: Options;
  readonly input: HostTensor;
  readonly parameters: Readonly<Record<string, HostTensor>>;
  readonly outputGradient: HostTensor;
}

/** What a reference gives, in float64 and outside layout. What is left out is held against slopes only. */
export interface ReferenceOutput {
  readonly output: ArrayLike<number>;
  readonly inputGradient?: ArrayLike<number>;
  readonly parameterGradients?: Readonly<Record<string, ArrayLike<number>>>;
}

export interface LayerSuite<Options> extends TestRunner {
  /** Float64 loops from the definition, independent of the layer. */
  readonly reference?: (values: ReferenceInput<Options>) => ReferenceOutput;
  /** Draws an input. Default: N(0, 1). */
  readonly draw?: (shape: Shape, seed: number) => HostTensor;
  /** The smallest batch that the layer takes. Default: 1. */
  readonly smallestBatch?: number;
  /** Whether an image's output depends on other images of the batch, as in batch normalization. Default: false. */
  readonly mixesImages?: boolean;
  /** Whether slopes can be measured: not where the layer draws at every run what it does. Default: true. */
  readonly hasSlopes?: boolean;
  /** Largest differences, as fractions of the largest wanted magnitude. Default: 1e-5 and 1e-4. */
  readonly tolerance?: { readonly output?: number; readonly gradient?: number };
}
