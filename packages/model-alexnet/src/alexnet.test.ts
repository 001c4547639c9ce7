import { ConfigError, type NetworkDescription, ShapeError } from '@alex/tensor';
import { elementCount } from '@alex/tensor/kernels';
import { describe, expect, test } from 'vitest';
import { alexnet, type Variant, variants } from './index.js';

/** Parameters and multiply-adds of the layers that learn. */
function counts(description: NetworkDescription): Record<string, [number, number]> {
  const rows = description.table().rows.filter((row) => row.parameters > 0);
  return Object.fromEntries(rows.map((row) => [row.name, [row.parameters, row.multiplyAdds]]));
}

function shapes(description: NetworkDescription): Record<string, string> {
  return Object.fromEntries(description.table().rows.map((row) => [row.name, row.outputShape.join('x')]));
}

function layerNames(description: NetworkDescription): string[] {
  return description.layers.map(({ layer }) => layer.name);
}

/** How a parameter is initialized: the constant, or the standard deviation. */
function initials(description: NetworkDescription, name: 'weight' | 'bias'): Record<string, number> {
  return Object.fromEntries(
    description.layers.flatMap(({ layer, parameters }) =>
      parameters
        .filter((parameter) => parameter.name === name)
        .map(({ initial }) => [
          layer.name,
          initial.distribution === 'normal' ? initial.standardDeviation : initial.value,
        ]),
    ),
  );
}

describe('the paper', () => {
  const paper = alexnet();

  test('is the default, for 1000 classes of images of 224 x 224', () => {
    expect(paper).toMatchObject({ name: 'paper', input: [3, 224, 224], output: [1000], columns: 2 });
  });

  test('has the published number of parameters and multiply-adds, layer by layer', () => {
    expect(counts(paper)).toEqual({
      conv1: [34_944, 105_415_200],
      conv2: [307_456, 223_948_800],
      conv3: [885_120, 149_520_384],
      conv4: [663_936, 112_140_288],
      conv5: [442_624, 74_760_192],
      fc6: [37_752_832, 37_748_736],
      fc7: [16_781_312, 16_777_216],
      fc8: [4_097_000, 4_096_000],
    });
    expect(paper.parameterCount).toBe(60_965_224);
    expect(paper.multiplyAdds).toBe(724_406_816);
  });

  test('has the neurons of figure 2', () => {
    // The figure says 253,440 for the first layer, which is 55 x 48 x 96; its maps are 55 x 55.
    const neurons = paper.layers
      .filter(({ parameters }) => parameters.length > 0)
      .map(({ outputShape }) => elementCount(outputShape));
    expect(elementCount(paper.input)).toBe(150_528);
    expect(neurons).toEqual([290_400, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]);
    expect(neurons.reduce((sum, count) => sum + count)).toBe(659_272);
  });

  test('has the shapes of section 3.5', () => {
    expect(shapes(paper)).toEqual({
      conv1: '96x55x55',
      relu1: '96x55x55',
      norm1: '96x55x55',
      pool1: '96x27x27',
      conv2: '256x27x27',
      relu2: '256x27x27',
      norm2: '256x27x27',
      pool2: '256x13x13',
      conv3: '384x13x13',
      relu3: '384x13x13',
      conv4: '384x13x13',
      relu4: '384x13x13',
      conv5: '256x13x13',
      relu5: '256x13x13',
      pool5: '256x6x6',
      fc6: '4096',
      relu6: '4096',
      dropout6: '4096',
      fc7: '4096',
      relu7: '4096',
      dropout7: '4096',
      fc8: '1000',
    });
  });

  test('connects its columns only at conv3 and at the dense layers', () => {
    const reading = (from: string) =>
      paper.layers.filter((entry) => entry.from === from && entry.parameters.length > 0).map(({ layer }) => layer.name);
    // The image has no columns: both read all of it.
    expect(reading('all')).toEqual(['conv1', 'conv3', 'fc6', 'fc7', 'fc8']);
    expect(reading('own')).toEqual(['conv2', 'conv4', 'conv5']);
  });

  test('starts from N(0, 0.01) and from ones in layers 2, 4, 5, 6 and 7', () => {
    expect(new Set(Object.values(initials(paper, 'weight')))).toEqual(new Set([0.01]));
    expect(initials(paper, 'bias')).toEqual({
      conv1: 0,
      conv2: 1,
      conv3: 0,
      conv4: 1,
      conv5: 1,
      fc6: 1,
      fc7: 1,
      fc8: 0,
    });
  });

  test('decays weights but not biases', () => {
    for (const { path, decays } of paper.layers.flatMap(({ parameters }) => parameters)) {
      expect([path, decays]).toEqual([path, path.endsWith('.weight')]);
    }
  });

  test('prints its counts', () => {
    const printed = paper.table().toString();
    expect(printed).toMatch(/conv2 .* 256 x 27 x 27 +307,456 +223,948,800/);
    expect(printed).toMatch(/total +60,965,224 +724,406,816/);
  });
});

describe('its variants', () => {
  test.each<[Variant, number, number]>([
    ['release-2012', 60_965_224, 724_406_816],
    // conv6: 256 * (256 * 9 + 1) parameters, 256 * 256 * 9 * 36 multiply-adds.
    ['six-conv', 60_965_224 + 590_080, 724_406_816 + 21_233_664],
    ['one-column', 59_798_312, 391_514_384],
    ['no-lrn', 60_965_224, 724_406_816],
    ['ungrouped', 62_378_344, 1_135_256_096],
    ['caffe', 60_965_224, 724_406_816],
    ['caffenet', 60_965_224, 724_406_816],
    ['torchvision', 61_100_840, 714_188_480],
    // conv2 320, conv3 of 160 maps a column, fc6 2 * (4096 * (4608 + 1)).
    [
      'no-communication',
      34_944 + 384_320 + 553_344 + 663_936 + 442_624 + 37_756_928 + 16_781_312 + 4_097_000,
      724_323_872,
    ],
  ])('%s: %i parameters, %i multiply-adds', (variant, parameters, multiplyAdds) => {
    const description = alexnet({ variant });
    expect(description.parameterCount).toBe(parameters);
    expect(description.multiplyAdds).toBe(multiplyAdds);
  });

  test('ungrouped has every layer at the published full width', () => {
    const description = alexnet({ variant: 'ungrouped' });
    expect(description.columns).toBe(1);
    expect(counts(description)).toMatchObject({
      conv2: [614_656, 447_897_600],
      conv3: [885_120, 149_520_384],
      conv4: [1_327_488, 224_280_576],
      conv5: [884_992, 149_520_384],
    });
  });

  test('release-2012 normalizes before the ReLU of layer 1 and twice in layer 2', () => {
    const release = alexnet({ variant: 'release-2012' });
    expect(layerNames(release).slice(0, 15)).toEqual([
      'conv1',
      'norm1',
      'pool1',
      'relu1',
      'conv2',
      'relu2',
      'norm2',
      'norm2-within-map',
      'pool2',
      'conv3',
      'relu3',
      'conv4',
      'relu4',
      'conv5',
      'pool5',
    ]);
    expect(shapes(release)).toMatchObject({ conv1: '96x55x55', pool5: '256x6x6' });
    expect(initials(release, 'weight')).toEqual({
      conv1: 0.01,
      conv2: 0.01,
      conv3: 0.03,
      conv4: 0.03,
      conv5: 0.03,
      fc6: 0.01,
      fc7: 0.01,
      fc8: 0.01,
    });
  });

  test('six-conv has its sixth layer above the pooled maps, reading both columns', () => {
    const sixth = alexnet({ variant: 'six-conv' }).layers.find(({ layer }) => layer.name === 'conv6');
    expect(sixth).toMatchObject({ from: 'all', inputShape: [1, 256, 6, 6], outputShape: [1, 256, 6, 6] });
    // The numbering of its dense layers continues.
    expect(layerNames(alexnet({ variant: 'six-conv' })).slice(-3)).toEqual(['relu8', 'dropout8', 'fc9']);
  });

  test('no-lrn has no normalization', () => {
    expect(layerNames(alexnet({ variant: 'no-lrn' })).filter((name) => name.startsWith('norm'))).toEqual([]);
  });

  test('non-overlapping ends in the maps that fc6 of the paper sees', () => {
    expect(shapes(alexnet({ variant: 'non-overlapping' }))).toMatchObject({
      pool1: '96x28x28',
      conv2: '256x26x26',
      pool2: '256x13x13',
      conv5: '256x11x11',
      pool5: '256x6x6',
    });
  });

  test('no-communication reads across columns only in the last layer', () => {
    const all = alexnet({ variant: 'no-communication' }).layers.filter(({ from }) => from === 'all');
    expect(all.map(({ layer }) => layer.name)).toEqual(['conv1', 'fc8']);
  });

  test('caffe starts biases from 0.1 and dense weights from N(0, 0.005)', () => {
    const caffe = alexnet({ variant: 'caffe' });
    expect(caffe).toMatchObject({ input: [3, 227, 227], columns: 1 });
    expect(initials(caffe, 'bias')).toMatchObject({ conv1: 0, conv2: 0.1, conv3: 0, conv5: 0.1, fc7: 0.1, fc8: 0 });
    expect(initials(caffe, 'weight')).toMatchObject({ conv5: 0.01, fc6: 0.005, fc7: 0.005, fc8: 0.01 });
  });

  test('caffenet pools before it normalizes, starts biases from 1, and otherwise equals caffe', () => {
    const [caffe, caffenet] = [alexnet({ variant: 'caffe' }), alexnet({ variant: 'caffenet' })];
    const names = layerNames(caffenet);
    expect(names.slice(0, 8)).toEqual(['conv1', 'relu1', 'pool1', 'norm1', 'conv2', 'relu2', 'pool2', 'norm2']);
    expect([...names].sort()).toEqual([...layerNames(caffe)].sort());
    expect(initials(caffenet, 'bias')).toMatchObject({ conv1: 0, conv2: 1, conv3: 0, conv5: 1, fc7: 1, fc8: 0 });
    expect(initials(caffenet, 'weight')).toEqual(initials(caffe, 'weight'));
    const shapes = (network: typeof caffe) =>
      network.layers.flatMap(({ parameters }) => parameters.map(({ path, shape }) => [path, shape]));
    expect(shapes(caffenet)).toEqual(shapes(caffe));
  });

  test('torchvision has dropout before its dense layers', () => {
    const names = layerNames(alexnet({ variant: 'torchvision' }));
    expect(names.slice(names.indexOf('pool5'))).toEqual([
      'pool5',
      'dropout5',
      'fc6',
      'relu6',
      'dropout6',
      'fc7',
      'relu7',
      'fc8',
    ]);
  });
});

describe('leaving a layer out', () => {
  test.each(['conv2', 'conv3', 'conv4', 'conv5', 'fc6', 'fc7'])('also removes what follows %s', (name) => {
    const number = name.slice(-1);
    const gone = [name, `relu${number}`, `norm${number}`, `dropout${number}`];
    expect(layerNames(alexnet({ without: name }))).toEqual(
      layerNames(alexnet()).filter((layer) => !gone.includes(layer)),
    );
  });

  test.each(['conv2', 'conv3', 'conv4', 'conv5'] as const)('out of %s is also possible', (name) => {
    expect(alexnet({ variant: `without-${name}` }).table().rows).toEqual(alexnet({ without: name }).table().rows);
  });

  test('keeps the pooling, so that maps keep their size', () => {
    expect(shapes(alexnet({ without: 'conv2' }))).toMatchObject({
      pool1: '96x27x27',
      pool2: '96x13x13',
      pool5: '256x6x6',
    });
    expect(shapes(alexnet({ without: 'conv5' }))).toMatchObject({ pool5: '384x6x6', fc6: '4096' });
  });

  test('works with any variant', () => {
    const left = alexnet({ variant: 'release-2012', without: 'conv4' });
    expect(layerNames(left)).not.toContain('conv4');
    // A different name, so that it is not taken for the whole network.
    expect(left.name).toBe('release-2012 without conv4');
  });

  test.each(['conv1', 'fc8', 'relu2', 'conv9', ''])(
    "refuses '%s', naming the layers that can be removed",
    (without) => {
      expect(() => alexnet({ without })).toThrow(ConfigError);
      expect(() => alexnet({ without })).toThrow('choose one of conv2, conv3, conv4, conv5, fc6, fc7');
    },
  );
});

describe('the networks for CIFAR-10', () => {
  test.each<[Variant, number]>([
    ['cifar-80sec', 145_578],
    ['cifar-19pct', 89_578],
    ['cifar-18pct', 89_578],
    ['cifar-13pct', 1_116_490],
    ['cifar-11pct', 2_112_970],
  ])('%s: %i parameters', (variant, parameters) => {
    const description = alexnet({ variant });
    expect(description.parameterCount).toBe(parameters);
    expect(description.output).toEqual([10]);
  });

  test('halve their maps from 32 to 4, or from 24 to 6', () => {
    expect(shapes(alexnet({ variant: 'cifar-18pct' }))).toMatchObject({
      conv1: '32x32x32',
      pool1: '32x16x16',
      pool2: '32x8x8',
      pool3: '64x4x4',
    });
    expect(shapes(alexnet({ variant: 'cifar-11pct' }))).toMatchObject({
      conv1: '64x24x24',
      pool1: '64x12x12',
      pool2: '64x6x6',
      local3: '64x6x6',
      local4: '32x6x6',
    });
  });

  test('normalize where their configuration files do', () => {
    expect(layerNames(alexnet({ variant: 'cifar-18pct' }))).toEqual([
      'conv1',
      'pool1',
      'relu1',
      'norm1-within-map',
      'conv2',
      'relu2',
      'pool2',
      'norm2-within-map',
      'conv3',
      'relu3',
      'pool3',
      'fc4',
    ]);
    expect(layerNames(alexnet({ variant: 'cifar-11pct' }))).toEqual([
      'conv1',
      'relu1',
      'pool1',
      'norm1',
      'conv2',
      'relu2',
      'norm2',
      'pool2',
      'local3',
      'relu3',
      'local4',
      'relu4',
      'fc5',
    ]);
  });

  test('start with the standard deviations of their configuration files', () => {
    expect(initials(alexnet({ variant: 'cifar-80sec' }), 'weight')).toEqual({
      conv1: 1e-4,
      conv2: 0.01,
      conv3: 0.01,
      fc4: 0.1,
      fc5: 0.1,
    });
    expect(initials(alexnet({ variant: 'cifar-13pct' }), 'weight')).toEqual({
      conv1: 1e-4,
      conv2: 0.01,
      local3: 0.04,
      local4: 0.04,
      fc5: 0.01,
    });
  });
});

describe('the small network', () => {
  test('is small enough for the demo on a software driver', () => {
    const small = alexnet({ variant: 'small' });
    expect(small.columns).toBe(2);
    expect(small.output).toEqual([24]);
    expect(small.parameterCount).toBeLessThan(2_000_000);
    expect(small.multiplyAdds).toBeGreaterThan(4_000_000);
    expect(small.multiplyAdds).toBeLessThan(8_000_000);
  });
});

describe('options', () => {
  test.each(variants)('$name accepts other numbers of classes and larger images', ({ name, inputSize, about }) => {
    const description = alexnet({ variant: name, classes: 7, inputSize: inputSize + 13 });
    expect(description.output).toEqual([7]);
    expect(description.input).toEqual([3, inputSize + 13, inputSize + 13]);
    expect(about).toMatch(/^.{20,100}$/);
  });

  test('the first dense layer adapts to the size of the image', () => {
    const wide = alexnet({ inputSize: 256 }).layers.find(({ layer }) => layer.name === 'fc6');
    // 256 pixels: 63, 31, 15 and 7 positions.
    expect(wide?.inputShape).toEqual([1, 256, 7, 7]);
    expect(wide?.parameters[0]?.shape).toEqual([4096, 256 * 49]);
  });

  test.each([
    [10, 'conv1'],
    [11, 'pool1'],
    [15, 'pool2'],
    [20, 'pool5'],
  ])('an image of %i pixels is refused at %s', (inputSize, layer) => {
    expect(() => alexnet({ inputSize })).toThrow(ShapeError);
    expect(() => alexnet({ inputSize })).toThrow(layer);
  });

  test.each([0, 1, -3, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '10' as unknown as number])(
    '%s classes are refused',
    (classes) => {
      expect(() => alexnet({ classes })).toThrow(ConfigError);
      expect(() => alexnet({ classes })).toThrow('alexnet: classes must be a whole number of at least 2');
    },
  );

  test.each([0, 1.5, Number.NaN])('images of %s pixels are refused', (inputSize) => {
    expect(() => alexnet({ inputSize })).toThrow(ConfigError);
    expect(() => alexnet({ inputSize })).toThrow('alexnet: inputSize must be a whole number of at least 1');
  });

  test.each(['vgg', '', 'toString', 'Paper'])("variant '%s' is refused with a list of those there are", (variant) => {
    const describe = () => alexnet({ variant });
    expect(describe).toThrow(ConfigError);
    expect(describe).toThrow(`'${variant}' is unknown; choose one of paper, release-2012,`);
  });
});

test('an image may have any number of channels: only the first layer depends on it', () => {
  const [grey, colour] = [1, 3].map((channels) => alexnet({ variant: 'small', channels }));
  expect(grey!.input).toEqual([1, 56, 56]);
  const weights = (description: typeof grey) => description!.layers[0]!.parameters[0]!.shape;
  expect(weights(grey)[1]).toBe(1);
  expect(grey!.layers.slice(1).map(({ parameters }) => parameters)).toEqual(
    colour!.layers.slice(1).map(({ parameters }) => parameters),
  );
  expect(() => alexnet({ channels: 0 })).toThrow(/alexnet: channels must be a whole number of at least 1, got 0/);
});
