import type { Block, Blueprint, Step } from './blueprint.js';

/**
 * The networks for CIFAR-10 that came with cuda-convnet (its `example-layers`), named after their test error. All
 * biases start at 0. Pooling windows that extend beyond the edge count, with the values inside the image. The gradient
 * goes to every element that equals a maximum.
 */

const relu: Step = { kind: 'relu' };
const maximum: Step = { kind: 'maxPool', size: 3, stride: 2, rounding: 'ceil', ties: 'all' };
const average: Step = { kind: 'averagePool', size: 3, stride: 2, rounding: 'ceil' };

/**
 * cuda-convnet divides alpha by the number of values in the window: 9 for this window of 3 x 3 positions in one map.
 */
const withinMap: Step = {
  kind: 'normalization',
  size: 3,
  alpha: 5e-5,
  beta: 0.75,
  k: 1,
  alphaPerElement: true,
  across: 'space',
};

const acrossMaps: Step = {
  kind: 'normalization',
  size: 9,
  alpha: 1e-3,
  beta: 0.75,
  k: 1,
  alphaPerElement: true,
  across: 'maps',
};

/** The first layer's weights are this small because pixels range from 0 to 255. */
const pixelDeviation = 1e-4;

function convolutions(after1: readonly Step[], after2: readonly Step[]): readonly Block[] {
  return [
    { kind: 'convolution', name: 'conv1', width: 32, kernel: 5, padding: 2, deviation: pixelDeviation, steps: after1 },
    { kind: 'convolution', name: 'conv2', width: 32, kernel: 5, padding: 2, deviation: 0.01, steps: after2 },
    { kind: 'convolution', name: 'conv3', width: 64, kernel: 5, padding: 2, deviation: 0.01, steps: [relu, average] },
  ];
}

function locallyConnected(width3: number, after1: readonly Step[], after2: readonly Step[]): readonly Block[] {
  return [
    { kind: 'convolution', name: 'conv1', width: 64, kernel: 5, padding: 2, deviation: pixelDeviation, steps: after1 },
    { kind: 'convolution', name: 'conv2', width: 64, kernel: 5, padding: 2, deviation: 0.01, steps: after2 },
    { kind: 'local', name: 'local3', width: width3, kernel: 3, padding: 1, deviation: 0.04, steps: [relu] },
    { kind: 'local', name: 'local4', width: 32, kernel: 3, padding: 1, deviation: 0.04, steps: [relu] },
    { kind: 'dense', name: 'fc5', width: 'classes', deviation: 0.01, steps: [] },
  ];
}

const whole = { inputSize: 32, classes: 10, columns: 1 };
const cropped = { inputSize: 24, classes: 10, columns: 1 };

export const cifar = {
  'cifar-80sec': {
    ...whole,
    about: "cuda-convnet's quick net for CIFAR-10: 26% error in 80 seconds, in 2011",
    blocks: [
      ...convolutions([maximum, relu], [relu, average]),
      { kind: 'dense', name: 'fc4', width: 64, deviation: 0.1, steps: [relu] },
      { kind: 'dense', name: 'fc5', width: 'classes', deviation: 0.1, steps: [] },
    ],
  },
  'cifar-19pct': {
    ...whole,
    about: 'cifar-80sec without its hidden dense layer; longer training took it to 19% error',
    blocks: [
      ...convolutions([maximum, relu], [relu, average]),
      { kind: 'dense', name: 'fc4', width: 'classes', deviation: 0.01, steps: [] },
    ],
  },
  'cifar-18pct': {
    ...whole,
    about: 'cifar-19pct with normalization within each map: 18% error',
    blocks: [
      ...convolutions([maximum, relu, withinMap], [relu, average, withinMap]),
      { kind: 'dense', name: 'fc4', width: 'classes', deviation: 0.01, steps: [] },
    ],
  },
  'cifar-13pct': {
    ...cropped,
    about: 'two convolutions and two locally connected layers on 24-pixel crops: 13% error',
    blocks: locallyConnected(32, [relu, maximum], [relu, maximum]),
  },
  'cifar-11pct': {
    ...cropped,
    about: 'cifar-13pct, wider, with normalization across maps: 11% error',
    blocks: locallyConnected(64, [relu, maximum, acrossMaps], [relu, acrossMaps, maximum]),
  },
} as const satisfies Record<string, Blueprint>;
