import { variants } from '@alex/model-alexnet';
import { describe, expect, it } from 'vitest';
import { fittingModels } from './fitting-models.js';
import { describeModel } from './session.js';

/** The shapes of a network's parameters: nothing else is compared. */
function shapesOf(model: Parameters<typeof describeModel>[0]) {
  const { layers } = describeModel(model);
  return Object.fromEntries(
    layers.flatMap(({ parameters }) => parameters.map(({ path, shape }) => [path, { shape: [...shape] }])),
  );
}

describe('tensors alone', () => {
  it.each(variants)('of $name fit it, for any number of classes', ({ name, inputSize }) => {
    const fitting = fittingModels(shapesOf({ variant: name, classes: 7 }));
    expect(fitting).toContainEqual({ variant: name, inputSizes: [inputSize] });
  });

  it('identify most networks, except those that differ only in operations without parameters', () => {
    const namesOf = (variant: string) => fittingModels(shapesOf({ variant })).map((one) => one.variant);
    expect(namesOf('small')).toEqual(['small']);
    expect(namesOf('torchvision')).toEqual(['torchvision']);
    expect(namesOf('paper')).toEqual(expect.arrayContaining(['paper', 'no-lrn']));
    expect(namesOf('paper')).not.toContain('ungrouped');
  });

  it('determine the image size as far as it matters', () => {
    const [small] = fittingModels(shapesOf({ variant: 'small', inputSize: 24, classes: 3 }));
    expect(small!.variant).toBe('small');
    expect(small!.inputSizes).toContain(24);
    for (const inputSize of small!.inputSizes) {
      expect(shapesOf({ variant: 'small', inputSize, classes: 3 })).toEqual(
        shapesOf({ variant: 'small', inputSize: 24, classes: 3 }),
      );
    }
    expect(fittingModels(shapesOf({ variant: 'small', channels: 1 }))[0]?.variant).toBe('small');
  });

  it('of an unknown network, or of a part of one, fit none', () => {
    const small = shapesOf({ variant: 'small' });
    expect(fittingModels({})).toEqual([]);
    expect(fittingModels({ ...small, 'conv9.weight': { shape: [1, 1, 1, 1] } })).toEqual([]);
    expect(fittingModels({ ...small, 'conv1.weight': { shape: [7, 3, 5, 5] } })).toEqual([]);
    const { 'conv1.bias': _, ...rest } = small;
    expect(fittingModels(rest)).toEqual([]);
    // Other contents of a checkpoint do not matter.
    expect(fittingModels({ ...small, 'conv1.weight.velocity': { shape: [1] } })).toEqual(fittingModels(small));
  });
});
