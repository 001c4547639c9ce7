import { ConfigError, type Gpu, type Layer } from '@alex/tensor';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { conv2d } from '../conv2d.js';
import { geometryOf, outputShapeOf, windowSettings } from '../options.js';
import { describeOnEveryVariant, expectAgreement, raggedWindows, type Window } from '../testing.js';
import type { WinogradTile } from './tiling.js';
import { recordWinogradForward, recordWinogradInputGradient, recordWinogradWeightGradient } from './winograd.js';

/** A convolution whose products are all computed in tiles. */
function winogradLayer({ filters, kernel, stride, padding, groups }: Window, tile: WinogradTile, bias = true): Layer {
  const options = { filters, kernel, stride, padding, groups, bias };
  const settings = windowSettings('conv2d', options);
  return {
    ...conv2d(options),
    forward(recorder, { input, parameters }) {
      const geometry = geometryOf(settings, input.shape);
      const output = recorder.tensor('output', outputShapeOf(geometry));
      const values = { input, weight: parameters['weight']!, bias: parameters['bias'], output };
      recordWinogradForward(recorder, geometry, values, tile);
      return { output };
    },
    backward(recorder, { input, parameters, outputGradient }) {
      const geometry = geometryOf(settings, input.shape);
      const weight = parameters['weight']!;
      const inputGradient = recorder.tensor('inputGradient', input.shape);
      const weightGradient = recorder.tensor('weightGradient', weight.shape);
      recordWinogradInputGradient(recorder, geometry, { outputGradient, weight, inputGradient }, tile);
      const biasGradient = bias ? recorder.tensor('biasGradient', [filters]) : undefined;
      const gradients = { input, outputGradient, weightGradient, biasGradient };
      recordWinogradWeightGradient(recorder, geometry, gradients, tile);
      return {
        inputGradient,
        parameterGradients: { weight: weightGradient, ...(biasGradient && { bias: biasGradient }) },
      };
    },
  };
}

/** Stated in `docs/winograd.md`: the largest difference relative to the largest value. */
const bounds: Readonly<Record<WinogradTile, number>> = { 2: 2e-6, 3: 1e-5, 4: 1e-5, 5: 3e-5, 6: 3e-5 };

function expectWinograd(gpu: Gpu, window: Window, tile: WinogradTile, bias = true) {
  const bound = bounds[tile];
  return expectAgreement(gpu, winogradLayer(window, tile, bias), window, {
    shared: true,
    output: bound,
    gradients: bound,
  });
}

const windows = raggedWindows({
  batches: [1, 2, 3, 4, 5, 8],
  groupChannels: 9,
  side: 14,
  kernel: fc.constant([3, 3] as const),
  stride: fc.constant([1, 1] as const),
  padding: 4,
});

describeOnEveryVariant("Winograd's algorithm", (gpu, randomShapes) => {
  it('agrees with float64 loops on random ragged shapes', async () => {
    await fc.assert(
      fc.asyncProperty(windows, fc.constantFrom<WinogradTile>(2, 4, 5), fc.boolean(), (window, tile, bias) =>
        expectWinograd(gpu(), window, tile, bias),
      ),
      { numRuns: Math.ceil(randomShapes / 5), seed: 2015 },
    );
  });

  it.each<WinogradTile>([4, 5])('agrees in tiles of %i, with groups and the border that AlexNet has', (tile) =>
    expectWinograd(
      gpu(),
      {
        batch: 8,
        channels: 32,
        height: 13,
        width: 13,
        filters: 40,
        kernel: [3, 3],
        stride: [1, 1],
        padding: { top: 1, left: 1, bottom: 1, right: 1 },
        groups: 2,
      },
      tile,
    ),
  );
  it('refuses other kernels and strides', async () => {
    const window = {
      batch: 1,
      channels: 1,
      height: 8,
      width: 8,
      filters: 1,
      kernel: [5, 5],
      stride: [1, 1],
      padding: { top: 0, left: 0, bottom: 0, right: 0 },
      groups: 1,
    } as const;
    await expect(expectWinograd(gpu(), window, 2)).rejects.toThrow(ConfigError);
    await expect(expectWinograd(gpu(), { ...window, kernel: [3, 3], stride: [2, 1] }, 2)).rejects.toThrow(/stride 1/);
  });
});
