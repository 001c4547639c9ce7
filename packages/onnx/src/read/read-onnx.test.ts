import { alexnet, type Variant, variants } from '@alex/model-alexnet';
import type { NetworkDescription } from '@alex/tensor';
import { describe, expect, it } from 'vitest';
import { made, madeParameters } from '../testing/values.js';
import { writeOnnx } from '../write/write-onnx.js';
import { readOnnx } from './read-onnx.js';

/** What layers compute outside training, which is all that a model says. */
function inferenceOf({ layers }: NetworkDescription): object[] {
  return layers.flatMap(({ layer, outputShape }): object[] => {
    const { ties, rounding, inverted, probability, alpha, alphaPerElement, padding, ...options } = layer.options ?? {};
    if (layer.kind === 'dropout') return inverted ? [] : [{ kind: 'dropout', probability }];
    const share =
      layer.kind === 'localResponseNorm' && !alphaPerElement ? (alpha as number) * (options['size'] as number) : alpha;
    // Within a map, groups of maps change nothing.
    const groups = options['across'] === 'space' ? { groups: 1 } : {};
    const window = layer.kind.endsWith('Pool') ? {} : { padding };
    return [
      {
        kind: layer.kind,
        outputShape,
        ...options,
        ...groups,
        ...window,
        ...(share !== undefined && { alpha: Math.fround(share as number) }),
      },
    ];
  });
}

describe('a written network is read again as it was:', () => {
  const sizes: Partial<Record<Variant, number>> = { small: 56 };
  it.each(variants)('$name', async ({ name, inputSize }) => {
    const description = alexnet({ variant: name, inputSize: sizes[name] ?? Math.min(inputSize, 71), classes: 7 });
    const parameters = madeParameters(description);
    const read = await readOnnx(writeOnnx(description, parameters, { metadata: { variant: name } }));
    expect(inferenceOf(read.description)).toEqual(inferenceOf(description));
    expect(read).toMatchObject({ softmax: true, metadata: { variant: name }, producer: 'Alex' });
    expect(read.description.input).toEqual(description.input);
    const [own, again] = [parameters, read.parameters].map((all) => Object.values(all).map(({ data }) => data));
    expect(again!.length).toBe(own!.length);
    expect(
      own!.every((data, i) => Buffer.compare(Buffer.from(data.buffer), Buffer.from(again![i]!.buffer)) === 0),
    ).toBe(true);
  });

  it('with the nodes that prepare images', async () => {
    const description = alexnet({ variant: 'small', inputSize: 24, classes: 3 });
    const parameters = madeParameters(description);
    const image = made('mean', [3, 32, 30], 100);
    for (const preprocessing of [
      { imageSize: [32, 30] as const, mean: [1, 2, 3], scale: 64 },
      { imageSize: [32, 30] as const, mean: image, scale: 1 },
      { imageSize: [24, 24] as const, mean: [1, 2, 3], scale: 1 },
    ]) {
      const read = await readOnnx(writeOnnx(description, parameters, { preprocessing }));
      expect(read.preprocessing).toEqual(preprocessing);
      expect(inferenceOf(read.description)).toEqual(inferenceOf(description));
    }
  });
});
