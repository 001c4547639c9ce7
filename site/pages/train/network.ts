import { relu, tanh } from '@alex/activations';
import { dropout } from '@alex/dropout';
import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { localResponseNorm } from '@alex/lrn';
import { maxPool } from '@alex/pool';
import { describeNetwork, type Layer, type NetworkDescription } from '@alex/tensor';
import type { Settings } from './settings.js';

/** Pixels of the crops that the network sees. */
export const inputSize = 56;

/** The paper's network, scaled down like the demo's `small`, in one column. */
export function networkOf(settings: Settings): NetworkDescription {
  const activation = (name: string) =>
    settings.activation === 'relu' ? relu({ name: `relu${name}` }) : tanh({ name: `tanh${name}` });
  const normalization = (name: string) =>
    settings.normalization ? [localResponseNorm({ name: `norm${name}`, size: 5, alpha: 1e-4, beta: 0.75, k: 2 })] : [];
  const pool = (name: string) =>
    maxPool({ name: `pool${name}`, size: settings.overlapping ? 3 : 2, stride: 2, rounding: 'ceil' });
  const convolution = (name: string, maps: number, filters: number, kernel: number, stride = 1): Layer =>
    conv2d({
      name: `conv${name}`,
      filters,
      kernel,
      stride,
      padding: (kernel - 1) / 2,
      initial: { weightDeviation: Math.sqrt(2 / (maps * kernel * kernel)) },
    });
  return describeNetwork({
    name: 'small',
    input: [3, inputSize, inputSize],
    layers: [
      convolution('1', 3, 32, 5, 2),
      activation('1'),
      ...normalization('1'),
      pool('1'),
      convolution('2', 32, 64, 3),
      activation('2'),
      ...normalization('2'),
      pool('2'),
      convolution('3', 64, 96, 3),
      activation('3'),
      convolution('4', 96, 64, 3),
      activation('4'),
      pool('4'),
      dense({ name: 'fc5', units: 256, initial: { weightDeviation: Math.sqrt(2 / (64 * 4 * 4)) } }),
      activation('5'),
      ...(settings.dropout ? [dropout({ name: 'dropout5', probability: 0.5 })] : []),
      dense({ name: 'fc6', units: settings.classes, initial: { weightDeviation: 0.01 } }),
    ],
  });
}
