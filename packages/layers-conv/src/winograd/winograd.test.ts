import { ConfigError, type Gpu, type Layer } from '@alex/tensor';
import { relativeError } from '@alex/tensor/testing';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { conv2d } from '../conv2d.js';
import { geometryOf, outputShapeOf, windowSettings } from '../options.js';
import { describeOnEveryVariant, runBoth, type Window } from '../testing.js';
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

async function expectAgreement(gpu: Gpu, window: Window, tile: WinogradTile, bias = true) {
  const { got, want } = await runBoth(gpu, winogradLayer(window, tile, bias), window, true);
  const text = `F(${tile}, 3) of ${JSON.stringify(window)}`;
  const errors = {
    output: relativeError(got.output.data, want.output),
    inputGradient: relativeError(got.inputGradient!.data, want.inputGradient),
    weight: relativeError(got.parameterGradients!['weight']!.data, want.weight),
    ...(bias && { bias: relativeError(got.parameterGradients!['bias']!.data, want.bias) }),
  };
  for (const [name, error] of Object.entries(errors)) expect(error, `${name} of ${text}`).toBeLessThan(bounds[tile]);
}

/** Ragged sizes, odd batches, groups, and padding on some sides only, even wider than the kernel. */
const windows: fc.Arbitrary<Window> = fc
  .record({
    batch: fc.constantFrom(1, 2, 3, 4, 5, 8),
    groupChannels: fc.integer({ min: 1, max: 9 }),
    groupFilters: fc.integer({ min: 1, max: 19 }),
    groups: fc.constantFrom(1, 1, 2, 3),
    height: fc.integer({ min: 1, max: 14 }),
    width: fc.integer({ min: 1, max: 14 }),
    padding: fc.record({
      top: fc.integer({ min: 0, max: 4 }),
      left: fc.integer({ min: 0, max: 4 }),
      bottom: fc.integer({ min: 0, max: 4 }),
      right: fc.integer({ min: 0, max: 4 }),
    }),
  })
  .map(({ groupChannels, groupFilters, ...rest }) => ({
    ...rest,
    kernel: [3, 3] as const,
    stride: [1, 1] as const,
    channels: groupChannels * rest.groups,
    filters: groupFilters * rest.groups,
  }))
  .filter(({ height, width, padding }) => {
    return height + padding.top + padding.bottom >= 3 && width + padding.left + padding.right >= 3;
  });

describeOnEveryVariant("Winograd's algorithm", (gpu, randomShapes) => {
  it('agrees with float64 loops on random ragged shapes', async () => {
    await fc.assert(
      fc.asyncProperty(windows, fc.constantFrom<WinogradTile>(2, 4, 5), fc.boolean(), (window, tile, bias) =>
        expectAgreement(gpu(), window, tile, bias),
      ),
      { numRuns: Math.ceil(randomShapes / 5), seed: 2015 },
    );
  });

  it.each<WinogradTile>([4, 5])('agrees in tiles of %i, with groups and the border that AlexNet has', (tile) =>
    expectAgreement(
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
    await expect(expectAgreement(gpu(), window, 2)).rejects.toThrow(ConfigError);
    await expect(expectAgreement(gpu(), { ...window, kernel: [3, 3], stride: [2, 1] }, 2)).rejects.toThrow(/stride 1/);
  });
});
