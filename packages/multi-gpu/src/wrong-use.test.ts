import { absTanh, identity, logistic, relu, tanh } from '@alex/activations';
import { dropout } from '@alex/dropout';
import { conv2d, local2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { softmaxCrossEntropy } from '@alex/loss';
import { localResponseNorm } from '@alex/lrn';
import { adam, sgd } from '@alex/optim';
import { averagePool, maxPool } from '@alex/pool';
import {
  AlexError,
  ConfigError,
  createTensor,
  describeNetwork,
  disposeTensor,
  openGpu,
  readTensor,
  ShapeError,
  writeTensor,
} from '@alex/tensor';
import { checkFits, compileNetwork, planNetwork, recordPrograms, tuneNetwork } from '@alex/tensor/network';
import { recordedKernels, testGpu } from '@alex/tensor/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { odd, refuse, refuseWrongOptions, thrown } from '../../../wrong-use.base.js';
import { chooseStrategy, predictSteps } from './cost.js';
import { planParts } from './parts.js';
import { partsOn, place } from './place.js';
import { measureRates, type Rates } from './rates.js';

const layer = () => dense({ name: 'a', units: 2 });
const described = (more: object) => describeNetwork(odd({ name: 'n', input: [3, 4, 4], layers: [layer()], ...more }));

describe('a network that cannot be described', () => {
  it.each<[string, unknown, RegExp]>([
    ['nothing', undefined, /describeNetwork: takes an object of options/],
    ['no name', { input: [3, 4, 4], layers: [] }, /describeNetwork: name must be a text, got undefined/],
    ['no input', { name: 'n', layers: [] }, /n: input must be one image, \[C, H, W\], got undefined/],
    ['no layers', { name: 'n', input: [3, 4, 4] }, /n: layers must be an array of layers, got undefined/],
  ])('is of %s', async (_, options, message) => {
    const error = await thrown(() => describeNetwork(odd(options)));
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as Error).message).toMatch(message);
  });

  it.each<[object, RegExp]>([
    [{ input: [4] }, /n: input must be one image, \[C, H, W\], got \[4\]; plain vectors are \[F, 1, 1\]/],
    [{ input: [1, 3, 4, 4] }, /n: input must be one image/],
    [{ input: [3, 4, 0.5] }, /n: input must be one image/],
    [{ colums: 2 }, /describeNetwork: unknown option 'colums'; known: name, input, columns, layers/],
    [{ columns: 0 }, /n: columns must be a whole number of at least 1, got 0/],
    [{ layers: [] }, /n: a network needs at least one layer/],
    [{ layers: [layer(), null] }, /n: layers\[1\]: must be a layer, .*; this has no outputShape\(\)/],
    [{ layers: [{ ...layer(), backward: undefined }] }, /n: layers\[0\]: must be a layer, .* no backward\(\)/],
    [{ layers: [{ ...layer(), name: '' }] }, /n: layers\[0\]: name must be a text, got ''/],
    [{ layers: [{ layer: layer(), from: 'each' }] }, /n: layers\[0\], a: from must be 'own' or 'all', got 'each'/],
  ])('has %j', async (options, message) => {
    const error = await thrown(() => described(options));
    expect(error).toBeInstanceOf(AlexError);
    expect((error as Error).message).toMatch(message);
  });
});

describe('options of', () => {
  refuseWrongOptions([
    ['conv2d', conv2d, { filters: 2, kernel: 3 }],
    ['local2d', local2d, { filters: 2, kernel: 3 }],
    ['dense', dense, { units: 2 }],
    ['maxPool', maxPool, { size: 2 }],
    ['averagePool', averagePool, { size: 2 }],
    ['localResponseNorm', localResponseNorm, {}],
    ['dropout', dropout, {}],
    ['relu', relu, {}],
    ['tanh', tanh, {}],
    ['logistic', logistic, {}],
    ['absTanh', absTanh, {}],
    ['identity', identity, {}],
    ['sgd', sgd, {}],
    ['adam', adam, {}],
  ]);

  it('the options within the options of a layer are checked as well', () => {
    expect(() => dense(odd({ units: 2, initial: { wightDeviation: 1 } }))).toThrow(
      "dense: initial: unknown option 'wightDeviation'; known: weightDeviation, bias",
    );
    expect(() => conv2d(odd({ name: 'c', filters: 2, kernel: 3, initial: 1 }))).toThrow(
      'c: initial: takes an object of options, { weightDeviation, bias }; got 1',
    );
    expect(() => dropout(odd({ probability: '0.5' }))).toThrow(/probability must be a number from 0 to below 1/);
  });
});

const rates: Rates = { multiplyAddsPerSecond: [1e9, 1e9], exchangeBytesPerSecond: 1e9, exchangeSeconds: 1e-3 };

describe('how adapters share a network', () => {
  refuseWrongOptions([
    ['predictSteps', (options) => predictSteps(described({}), options), { batch: 2, rates }],
    ['predictSteps', (options) => chooseStrategy(described({ columns: 2 }), options), { batch: 2, rates }],
    ['planParts', (options) => planParts(described({}), options), { adapters: 2, batch: 2, strategy: 'data' }],
    [
      'partsOn',
      (options) => partsOn(described({}), [odd({ createBuffer: () => undefined })], options),
      { batch: 2, strategy: 'auto' },
    ],
  ]);

  refuse(ConfigError, [
    ['no batch', () => predictSteps(described({}), odd({ rates })), /predictSteps: batch must be a whole number/],
    ['no rates', () => predictSteps(described({}), odd({ batch: 2 })), /rates are what measureRates\(gpus\) gives/],
    [
      'rates of nothing',
      () => chooseStrategy(described({}), odd({ batch: 2, rates: {} })),
      /rates are what measureRates\(gpus\) gives/,
    ],
    [
      'an unknown strategy',
      () => planParts(described({}), odd({ adapters: 2, batch: 2, strategy: 'both' })),
      /planParts: strategy must be 'model' or 'data' or 'hybrid', got 'both'/,
    ],
    [
      'half an adapter',
      () => planParts(described({}), { adapters: 1.5, batch: 2, strategy: 'data' }),
      /planParts: adapters must be a whole number of at least 1, got 1.5/,
    ],
    [
      'images that are no list',
      () => planParts(described({}), odd({ adapters: 2, batch: 2, strategy: 'data', images: 2 })),
      /n: images must be 2 whole numbers of at least 1 that make a batch of 2, got 2/,
    ],
    ['no list of adapters', () => measureRates(odd(undefined)), /measureRates: give the adapters as an array/],
  ]);
});

describe('on an adapter', () => {
  let gpu: Awaited<ReturnType<typeof testGpu>>;
  beforeAll(async () => {
    gpu = await testGpu();
  });

  refuse(ConfigError, [
    [
      'no network',
      () => place(odd(null), [gpu], { batch: 2 }),
      /a network must be a description, from describeNetwork\(\.\.\.\)/,
    ],
    [
      'an empty network',
      () => place(odd({}), [gpu], { batch: 2 }),
      /a network must be a description, from describeNetwork/,
    ],
    ['no adapter', () => place(described({}), odd(undefined), { batch: 2 }), /give the adapters as an array/],
    ['no list of adapters', () => place(described({}), odd(gpu), { batch: 2 }), /give the adapters as an array/],
    [
      'a value that is not an adapter',
      () => place(described({}), odd([null]), { batch: 2 }),
      /at least one adapter, opened by openGpu/,
    ],
    ['no options', () => place(described({}), [gpu], odd(undefined)), /place: takes an object of options/],
    [
      'a misspelt option',
      () => place(described({}), [gpu], odd({ btach: 2 })),
      /place: unknown option 'btach'; known: batch/,
    ],
    [
      'no batch',
      () => place(described({}), [gpu], odd({})),
      /n: batch must be a whole number of at least 1, got undefined/,
    ],
  ]);

  it.each<[string, (options: never) => unknown, object?]>([
    ['compileNetwork', (options) => compileNetwork(described({}), gpu, options)],
    ['planNetwork', (options) => planNetwork(described({}), gpu, options)],
    ['checkFits', (options) => checkFits(described({}), gpu, options)],
    ['recordPrograms', (options) => recordPrograms(described({}), gpu, options)],
    ['tuneNetwork', (options) => tuneNetwork(described({}), gpu, options), { effort: 'off' }],
    ['recordedKernels', (options) => recordedKernels(described({}), { kind: 'hardware', subgroupSize: 32 }, options)],
  ])('%s refuses an option that it does not know, and none at all', async (_, call, more) => {
    const options = { batch: 2, loss: softmaxCrossEntropy(), optimizer: sgd(), ...more };
    const unknown = await thrown(() => call(odd({ ...options, precison: 'mixed' })));
    expect(unknown).toBeInstanceOf(ConfigError);
    expect((unknown as Error).message).toContain("n: unknown option 'precison'; known: batch, loss, ");
    const none = await thrown(() => call(odd(undefined)));
    expect(none).toBeInstanceOf(ConfigError);
    expect((none as Error).message).toContain('n: takes an object of options, { batch, loss, ');
  });

  it('openGpu refuses unknown options', async () => {
    const error = await thrown(() => openGpu(odd({ adaptor: 'x' })));
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as Error).message).toMatch(/openGpu: unknown option 'adaptor'; known: adapter, environment/);
    await expect(openGpu(odd({ boundsChecks: 1 }))).rejects.toThrow(/boundsChecks must be true or false, got 1/);
  });

  it.each<[string, unknown]>([
    ['a number', 3],
    ['a negative size', [-1]],
    ['half an element', [1.5]],
    ['nothing', undefined],
  ])('a tensor of %s is refused', async (_, shape) => {
    const error = await thrown(() => createTensor(gpu, 'x', odd(shape)));
    expect(error).toBeInstanceOf(ShapeError);
    expect((error as Error).message).toMatch(/^x: a shape is an array of whole numbers of at least 0, got /);
  });

  it('a value that is not an adapter, or not a tensor, is refused when it is used', async () => {
    expect(await thrown(() => createTensor(odd(undefined), 'x', [2]))).toBeInstanceOf(ConfigError);
    expect(await thrown(() => readTensor(gpu, odd(null)))).toBeInstanceOf(ShapeError);
    const x = createTensor(gpu, 'x', [2]);
    try {
      for (const values of [[1, 2], undefined, new Uint32Array(2), new Float64Array(2), new Float32Array(3)]) {
        expect(await thrown(() => writeTensor(gpu, x, odd(values)))).toBeInstanceOf(ShapeError);
      }
    } finally {
      disposeTensor(gpu, x);
    }
  });

  describe('a network', () => {
    let network: ReturnType<typeof place>;
    const images = (count = 2) => ({ shape: [count, 3, 4, 4], data: new Float32Array(48 * count) });
    beforeAll(() => {
      network = place(described({}), [gpu], { batch: 2 });
    });
    afterAll(() => network.dispose());

    it('a step refuses an option that it does not know', async () => {
      const error = await thrown(() => network.step(images(), [0, 1], odd({ lr: 1 })));
      expect(error).toBeInstanceOf(ConfigError);
      expect((error as Error).message).toBe("n: step: unknown option 'lr'; known: learningRate, learningRates");
    });

    it.each<[string, () => Promise<unknown>]>([
      ['bare numbers', () => network.forward(odd(new Float32Array(96)))],
      ['nothing', () => network.forward(odd(undefined))],
      ['numbers in an array', () => network.forward(odd({ ...images(), data: Array(96).fill(0) }))],
      ['numbers of another type', () => network.forward(odd({ ...images(), data: new Uint32Array(96) }))],
      ['too many images', () => network.forward(images(3))],
      ['images of another shape', () => network.forward({ shape: [2, 48], data: new Float32Array(96) })],
      ['a step without labels', () => network.step(images(), odd(undefined))],
      ['an evaluation without labels', () => network.evaluate(images(), odd(null))],
      ['gradients without labels', () => network.gradients(images(), odd(1))],
      ['one label too few', () => network.step(images(), [0])],
      ['a label without a class', () => network.step(images(), [0, 2])],
      ['half a label', () => network.step(images(), [0, 0.5])],
    ])('refuses %s', async (_, call) => {
      const error = await thrown(call);
      expect(error).toBeInstanceOf(ShapeError);
      expect((error as Error).message).toMatch(/^n: /);
    });

    it('refuses parameters that it does not have', async () => {
      await expect(Promise.resolve().then(() => network.parameters(['b.weight']))).rejects.toThrow(
        'n: has no parameter called b.weight; it has a.weight, a.bias',
      );
      expect(() => network.loadParameters(odd(null))).toThrow(ConfigError);
      await expect(network.features(images(), 'b')).rejects.toThrow(/n: has no layer b; its layers are a/);
    });
  });
});
