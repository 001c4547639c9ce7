import { normalPairFromBits, streamOf, threefry2x32 } from '../random/threefry.js';
import { elementCount } from '../shape.js';
import type { LearnedParameter } from './optimizer.js';

/**
 * The first values of a parameter. Drawn on the processor in float64, so that they are the same bits on every adapter;
 * value `i` depends on the seed, the parameter's dotted name and `i` only.
 */
export function initialValues(parameter: LearnedParameter, seed: number): Float32Array {
  const values = new Float32Array(elementCount(parameter.shape));
  const { initial } = parameter;
  if (initial.distribution === 'constant') return values.fill(initial.value);
  const stream = streamOf(parameter.path);
  for (let i = 0; i < values.length; i += 2) {
    const [first, second] = normalPairFromBits(...threefry2x32(seed, stream, i / 2, 0));
    values[i] = initial.standardDeviation * first;
    if (i + 1 < values.length) values[i + 1] = initial.standardDeviation * second;
  }
  return values;
}
