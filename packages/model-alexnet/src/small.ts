import type { Blueprint, Deviation, Step } from './blueprint.js';

/** Filters and units of all columns together; change these to trade speed for accuracy. */
const widths = { conv1: 32, conv2: 64, conv3: 96, conv4: 64, fc5: 256 };

/** Height and width of the crops that it is designed for. */
const inputSize = 56;

/**
 * The paper's N(0, 0.01) keeps activations alive only in units with thousands of inputs; with the few hundred here,
 * they would vanish from layer to layer. sqrt(2 / inputs) preserves their scale through ReLUs (He et al. 2015). Inputs
 * should therefore be about 1: pixel values minus their mean, divided by 64.
 */
const deviation: Deviation = { overInputs: 2 };

const relu: Step = { kind: 'relu' };
const pool: Step = { kind: 'maxPool', size: 3, stride: 2, rounding: 'ceil', ties: 'first' };
const normalization: Step = {
  kind: 'normalization',
  size: 5,
  alpha: 1e-4,
  beta: 0.75,
  k: 2,
  alphaPerElement: true,
  across: 'maps',
};
const dropout: Step = { kind: 'dropout', probability: 0.5, inverted: false };

export const small = {
  small: {
    about: "the paper's ideas scaled down for the demo: two columns, four convolutions, 56-pixel crops",
    inputSize,
    classes: 24,
    columns: 2,
    blocks: [
      {
        kind: 'convolution',
        name: 'conv1',
        width: widths.conv1,
        kernel: 5,
        stride: 2,
        padding: 2,
        from: 'all',
        deviation,
        steps: [relu, normalization, pool],
      },
      {
        kind: 'convolution',
        name: 'conv2',
        width: widths.conv2,
        kernel: 3,
        padding: 1,
        deviation,
        steps: [relu, normalization, pool],
      },
      {
        kind: 'convolution',
        name: 'conv3',
        width: widths.conv3,
        kernel: 3,
        padding: 1,
        from: 'all',
        deviation,
        steps: [relu],
      },
      {
        kind: 'convolution',
        name: 'conv4',
        width: widths.conv4,
        kernel: 3,
        padding: 1,
        deviation,
        steps: [relu, pool],
      },
      { kind: 'dense', name: 'fc5', width: widths.fc5, from: 'all', deviation, steps: [relu, dropout] },
      { kind: 'dense', name: 'fc6', width: 'classes', from: 'all', deviation: 0.01, steps: [] },
    ],
  },
} as const satisfies Record<string, Blueprint>;
