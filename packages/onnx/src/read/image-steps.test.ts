import type { Gpu, HostTensor } from '@alex/tensor';
import { testGpu } from '@alex/tensor/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { build, type ModelParts, node } from '../testing/build-model.js';
import { forward } from '../testing/forward.fixture.js';
import { pytorch } from '../testing/models.js';
import { difference, runModel } from '../testing/runtime.js';
import { made } from '../testing/values.js';
import { readOnnx } from './read-onnx.js';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});

describe('what is done to the images before the first layer', () => {
  const constants: Record<string, HostTensor | readonly number[]> = {
    ...(pytorch.constants as Record<string, HostTensor>),
    mean: { shape: [1, 3, 1, 1], data: Float32Array.of(10, 20, 30) },
    deviations: { shape: [3, 1, 1], data: Float32Array.of(2, 4, 5) },
    full: { shape: [], data: Float32Array.of(255) },
    order: [2, 1, 0],
    starts: [1, 2],
    ends: [64, 65],
    axes: [2, 3],
  };
  const before = (input: ModelParts['input'], ...nodes: ReturnType<typeof node>[]): ModelParts => ({
    input,
    constants,
    nodes: [
      ...nodes,
      { ...pytorch.nodes[0]!, inputs: [nodes.at(-1)!.outputs![0]!, 'features.0.weight', 'features.0.bias'] },
      ...pytorch.nodes.slice(1),
    ],
  });

  it('is separated from the network, and put into its first filters where it must be', async () => {
    const parts = before(
      [1, 3, 65, 67],
      node('Slice', 'x starts ends axes', 'a'),
      node('Div', 'a full', 'b'),
      node('Gather', 'b order', 'c', { axis: 1 }),
      node('Sub', 'c mean', 'd'),
      node('Div', 'd deviations', 'e'),
    );
    const model = build(parts);
    const { preprocessing, description, parameters } = await readOnnx(model);
    // Blue is the first channel of the filters: its mean of 10 is that of the third channel of the images.
    expect(preprocessing).toEqual({ imageSize: [65, 67], mean: [255 * 30, 255 * 20, 255 * 10], scale: 1 });
    expect(description.input).toEqual([3, 63, 63]);
    const pixels = made('pixels', [1, 3, 65, 67], 255);
    const images = { shape: [1, 3, 63, 63], data: new Float32Array(3 * 63 * 63) };
    for (let i = 0; i < images.data.length; i++) {
      const [channel, row, column] = [Math.floor(i / 3969), Math.floor((i % 3969) / 63) + 1, (i % 63) + 2];
      images.data[i] =
        pixels.data[channel * 65 * 67 + row * 67 + column]! - (preprocessing!.mean as number[])[channel]!;
    }
    const own = await forward(gpu, description, parameters, images);
    expect(difference(await runModel(model, pixels), own)).toBeLessThan(1e-5);
  });

  it.each<[ReturnType<typeof node>, RegExp]>([
    [node('Slice', 'x starts ends axes', 'a'), /\(Slice\): cuts out 63 x 62 pixels from 1, 2 on; only the centre/],
    [node('Gather', 'x order', 'a', { axis: 2 }), /\(Gather\): only the channels/],
    [node('Transpose', 'x', 'a', { perm: [0, 1, 3, 2] }), /\(Transpose\): changes the order of the axes to 0,1,3,2/],
  ])('is named if it is not understood: %#', async (first, message) => {
    await expect(readOnnx(build(before([1, 3, 64, 64], first)))).rejects.toThrow(message);
  });

  it('may turn images whose channels come last', async () => {
    const parts = before([1, 63, 63, 3], node('Transpose', 'x', 'a', { perm: [0, 3, 1, 2] }));
    expect((await readOnnx(build(parts))).description.input).toEqual([3, 63, 63]);
  });
});
