import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { averagePool } from '@alex/pool';
import { describeNetwork } from '@alex/tensor';
import { batchNorm } from './batch-norm.js';
import { classes, side } from './gratings.js';
import { leakyRelu } from './leaky-relu.js';

/** A network of Alex's own layers and two custom ones. */
export const ownNetwork = describeNetwork({
  name: 'own',
  input: [1, side, side],
  layers: [
    conv2d({ name: 'conv1', filters: 8, kernel: 5 }),
    batchNorm({ name: 'norm1' }),
    leakyRelu({ name: 'leaky1', slope: 0.1 }),
    averagePool({ name: 'pool1', size: 4 }),
    dense({ name: 'fc2', units: classes.length }),
  ],
});
