import { normalPairFromBits, streamOf, threefryInto } from '../random/threefry.js';
import { elementCount } from '../shape.js';
import type { LearnedParameter } from './optimizer.js';

/**
 * The initial values of a parameter. They are generated on the CPU in float64, so that they have the same bits on every
 * adapter; value `i` depends only on the seed, the parameter's dotted name and `i`.
 */
export function initialValues(parameter: LearnedParameter, seed: number): Float32Array {
  const values = new Float32Array(elementCount(parameter.shape));
  const { initial } = parameter;
  if (initial.distribution === 'constant') return values.fill(initial.value);
  const { standardDeviation } = initial;
  const stream = streamOf(parameter.path);
  const bits = new Uint32Array(2);
  for (let i = 0; i < values.length; i += 2) {
    threefryInto(bits, seed, stream, i / 2, 0);
    // By index, because destructuring a pair costs as much as generating it.
    const pair = normalPairFromBits(bits[0]!, bits[1]!);
    values[i] = standardDeviation * pair[0];
    if (i + 1 < values.length) values[i + 1] = standardDeviation * pair[1];
  }
  return values;
}
