import { absTanh, logistic, relu, tanh } from '@alex/activations';
import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { averagePool, maxPool } from '@alex/pool';
import { describeNetwork, type NetworkDescription } from '@alex/tensor';

/** The compared activations, in the order of the page. */
export const activations = { relu, tanh, absTanh, logistic } as const;

export type Activation = keyof typeof activations;

/**
 * The four-layer network of Figure 1: three convolutions and a softmax layer, those of cuda-convnet's 18% net for CIFAR-10
 * without its normalization. The paper does not describe its network further; weights start as in that net's file.
 * Every activation comes before the pooling, as |tanh| does in section 3.1. The others are monotonic, so for max pooling,
 * the order makes no difference.
 */
export function figure1Network(activation: Activation, image: readonly number[] = [3, 32, 32]): NetworkDescription {
  const unit = activations[activation];
  const window = { size: 3, stride: 2, rounding: 'ceil' } as const;
  const convolution = (name: string, filters: number, weightDeviation: number) =>
    conv2d({ name, filters, kernel: 5, padding: 2, initial: { weightDeviation, bias: 0 } });
  return describeNetwork({
    name: `figure-1-${activation}`,
    input: image,
    layers: [
      // This small because pixels range from 0 to 255.
      convolution('conv1', 32, 1e-4),
      unit({ name: `${activation}1` }),
      maxPool({ name: 'pool1', ...window, ties: 'all' }),
      convolution('conv2', 32, 0.01),
      unit({ name: `${activation}2` }),
      averagePool({ name: 'pool2', ...window, countPadding: false }),
      convolution('conv3', 64, 0.01),
      unit({ name: `${activation}3` }),
      averagePool({ name: 'pool3', ...window, countPadding: false }),
      dense({ name: 'fc4', units: 10, initial: { weightDeviation: 0.01, bias: 0 } }),
    ],
  });
}
