import type { Gpu, GpuOptions } from '../adapter/gpu.js';
import { AlexError } from '../errors.js';
import type { Layer } from '../network/layer.js';
import { checkOptions } from '../option-checks.js';
import { formatShape } from '../shape.js';
import { LayerChecks } from './layer-checks.js';
import type { LayerCase, LayerSuite } from './layer-suite.js';
import { testGpu } from './values.js';

/** The families of product kernels, with the adapter options that select them. */
const adapters: readonly (readonly [name: string, options: GpuOptions, kind?: 'hardware'])[] = [
  ['with subgroups if the adapter has them', {}],
  ['without subgroups', { subgroups: false }],
  ['through workgroup memory, as on a GPU', { subgroups: false }, 'hardware'],
];

/**
 * Describes the contract of every layer as tests for a runner: shapes; values against a float64 reference, for every
 * family of product kernels; gradients against finite differences; batches of 1 (or the smallest) and of odd size;
 * micro-batches; columns; 16-bit storage (if the adapter has `shader-f16`); the same bits in every run; a NaN that
 * stays within its image; reuse for other inputs; no leaked buffers.
 *
 * ```ts
 * import { describe, it } from 'vitest';
 * describeLayer(leakyRelu, [{ options: {}, input: [3, 5, 7, 1] }], { describe, it });
 * ```
 *
 * @param layer creates the layer
 * @throws ConfigError for an option of the suite or of a case that is none
 */
export function describeLayer<Options>(
  layer: (options: Options) => Layer,
  cases: readonly LayerCase<Options>[],
  suite: LayerSuite<Options>,
): void {
  checkOptions('describeLayer', suite, [
    'describe',
    'it',
    'reference',
    'draw',
    'smallestBatch',
    'mixesImages',
    'hasSlopes',
    'tolerance',
  ]);
  const { describe, it } = suite;
  for (const one of cases) {
    checkOptions('describeLayer: case', one, ['options', 'input', 'columns']);
    const { kind } = layer(one.options);
    describe(`${kind} ${JSON.stringify(one.options)} of ${formatShape(one.input)}`, () => {
      const check = new LayerChecks(layer, one, suite);
      const test = (name: string, run: (gpu: Gpu) => Promise<void>) =>
        it(name, async () => {
          await withoutLeaks(await testGpu(), run);
        });
      for (const [name, options, as] of adapters) {
        it(`${suite.reference ? 'matches the definition' : 'has the declared shapes'}, ${name}`, async () => {
          await withoutLeaks(await testGpu(options, as), (gpu) => check.values(gpu));
        });
      }
      test('accepts the smallest batch and an odd one', (gpu) => check.batches(gpu));
      test('gives the same bits in every run', (gpu) => check.repeats(gpu));
      test('records no input gradient if none is needed, and the same parameter gradients', (gpu) => check.lowest(gpu));
      test('can be reused for any input', (gpu) => check.reuse(gpu));
      test('stores 16 bits in mixed precision, if the adapter has shader-f16', (gpu) => check.mixed(gpu));
      if (layer(one.options).takesGradientEpilogue) {
        for (const [name, options, as] of adapters) {
          it(`includes the backward pass of the layer below, ${name}`, async () => {
            await withoutLeaks(await testGpu(options, as), (gpu) => check.gradientEpilogue(gpu));
          });
        }
      }
      if (suite.hasSlopes ?? true) test('has gradients that match finite differences', (gpu) => check.slopes(gpu));
      if (!suite.mixesImages) {
        test('computes the same in micro-batches as in the whole batch', (gpu) => check.microBatches(gpu));
        test('keeps NaN within its image', (gpu) => check.nan(gpu));
      }
      if (one.columns) test(`is the same in ${one.columns.count} columns`, (gpu) => check.columns(gpu));
    });
  }
}

async function withoutLeaks(gpu: Gpu, run: (gpu: Gpu) => Promise<void>): Promise<void> {
  const before = gpu.liveBuffers;
  await run(gpu);
  if (gpu.liveBuffers !== before) throw new AlexError(`${gpu.liveBuffers - before} buffers were leaked`);
}
