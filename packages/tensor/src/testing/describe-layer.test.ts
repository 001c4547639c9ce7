import { describe, expect, it } from 'vitest';
import { runExamples } from '../../../../example.base.js';
import { elementwiseLayer } from '../network/elementwise-layer.js';
import type { Layer } from '../network/layer.js';
import { describeLayer } from './describe-layer.js';
import type { LayerSuite } from './layer-suite.js';
import { runLayer } from './run-layer.js';
import { testGpu } from './values.js';

const right = () =>
  elementwiseLayer({ kind: 'leaky', value: 'max(x, 0.5 * x)', derivative: 'select(0.5, 1.0, y > 0.0)' });

const reference: LayerSuite<object>['reference'] = ({ input, outputGradient }) => ({
  output: Float64Array.from(input.data, (x) => Math.max(x, 0.5 * x)),
  inputGradient: Float64Array.from(outputGradient.data, (g, i) => (input.data[i]! > 0 ? g : 0.5 * g)),
});

await runExamples('describe-layer.ts', import.meta.url, { describeLayer, describe, it, leakyRelu: right });

/** The names of the checks that a layer fails. */
async function failures(layer: () => Layer, suite: Partial<LayerSuite<object>> = {}): Promise<string[]> {
  const checks: { readonly name: string; readonly run: () => Promise<void> }[] = [];
  const runner = {
    describe: (_: string, tests: () => void) => tests(),
    it: (name: string, run: () => Promise<void>) => void checks.push({ name, run }),
  };
  describeLayer(layer, [{ options: {}, input: [3, 4, 1, 3], columns: { count: 2, from: 'own' } }], {
    ...runner,
    ...suite,
  });
  const failed: string[] = [];
  for (const { name, run } of checks) await run().catch(() => failed.push(name));
  return failed;
}

it('finds nothing wrong with a layer that is right, with a reference and without', async () => {
  expect(await failures(right, { reference })).toEqual([]);
  expect(await failures(right)).toEqual([]);
});

it.each<[string, () => Layer, RegExp]>([
  [
    'a wrong value',
    () => elementwiseLayer({ kind: 'leaky', value: 'max(x, 0.4 * x)', derivative: 'select(0.4, 1.0, y > 0.0)' }),
    /^matches the definition/,
  ],
  [
    'a wrong derivative',
    () => elementwiseLayer({ kind: 'leaky', value: 'max(x, 0.5 * x)', derivative: 'select(0.4, 1.0, y > 0.0)' }),
    /^has gradients that match finite differences/,
  ],
  [
    'an input gradient that nobody needs',
    () => {
      const layer = right();
      return {
        ...layer,
        backward: (recorder, values) => layer.backward(recorder, { ...values, needsInputGradient: true }),
      };
    },
    /^records no input gradient/,
  ],
  [
    'columns that compute something else',
    () => ({ ...right(), column: () => elementwiseLayer({ kind: 'other', value: '2.0 * x', derivative: '2.0' }) }),
    /^is the same in 2 columns/,
  ],
])('finds %s', async (_, layer, check) => {
  expect(await failures(layer, { reference })).toContainEqual(expect.stringMatching(check));
});

it('misspelt options of a layer or of its trial are refused', async () => {
  const misspelt = { ...{ derivativ: '1.0' }, kind: 'leaky', value: 'x', derivative: '1.0' };
  expect(() => elementwiseLayer(misspelt)).toThrow("leaky: unknown option 'derivativ'; known: kind, name, value");
  const input = { shape: [1, 2], data: new Float32Array(2) };
  const trial = runLayer(await testGpu(), right(), { ...{ inputs: input }, input });
  await expect(trial).rejects.toThrow("leaky: runLayer: unknown option 'inputs'; known: input, parameters");
});
