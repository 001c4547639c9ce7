import { describe, it } from 'vitest';
import { runExamples } from '../../../../example.base.js';
import { describeLayer } from '../testing/describe-layer.js';
import { elementwiseLayer } from './elementwise-layer.js';
import type { Layer } from './layer.js';

const [leakyRelu] = (await runExamples('elementwise-layer.ts', import.meta.url, { elementwiseLayer })) as [Layer];

describeLayer(() => leakyRelu, [{ options: {}, input: [3, 2, 3, 5] }], {
  describe,
  it,
  reference: ({ input, outputGradient }) => ({
    output: Float64Array.from(input.data, (x) => Math.max(x, 0.01 * x)),
    inputGradient: Float64Array.from(outputGradient.data, (gradient, i) => gradient * (input.data[i]! > 0 ? 1 : 0.01)),
  }),
});
