import { afterAll, beforeAll, expect, it } from 'vitest';
import { odd, refuse, refuseWrongOptions, thrown } from '../../../wrong-use.base.js';
import { openGpu } from './adapter/adapters.js';
import type { Gpu } from './adapter/gpu.js';
import { ConfigError, ShapeError } from './errors.js';
import { compileKernels } from './kernel/compile-kernels.js';
import { recordElementwise } from './kernel/elementwise.js';
import { recordPerElement } from './kernel/per-element.js';
import { createProgram } from './kernel/program.js';
import { createRecording, type Recorder } from './kernel/recorder.js';
import { createTensor, describeTensor, disposeTensor, readTensor, type Tensor, writeTensor } from './kernel/tensor.js';
import { timeCandidates } from './kernel/trial.js';
import { tune } from './kernel/tuner.js';
import { createTuningCache } from './kernel/tuning-cache.js';
import { recordUpdate } from './kernel/update.js';
import { recordProduct } from './math/product.js';
import { productKernel } from './math/products/families.js';
import { stridedColumns, stridedRows } from './math/products/operand.js';
import { recordRowSums, recordSplitKSum } from './math/sums.js';
import { elementwiseLayer } from './network/elementwise-layer.js';
import { describeLayer } from './testing/describe-layer.js';
import { gradientCheck } from './testing/gradient-check.js';
import { recordedKernels } from './testing/recorded-kernels.js';
import { runLayer } from './testing/run-layer.js';
import { randomTensor, testGpu } from './testing/values.js';

let gpu: Gpu;
let recorder: Recorder;
let x: Tensor;
beforeAll(async () => {
  gpu = await testGpu();
  recorder = createRecording(gpu);
  x = createTensor(gpu, 'x', [4]);
});
afterAll(() => disposeTensor(gpu, x));

const layer = elementwiseLayer({ kind: 'double', value: '2.0 * x', derivative: '2.0' });
const runner = { describe: () => undefined, it: () => undefined };
const tunable = { kernel: 'k', version: 1, shape: '', candidates: [], plain: 0, outputs: [], record: () => undefined };

refuseWrongOptions([
  ['openGpu', (options) => openGpu(options)],
  ['testGpu', (options) => testGpu(options)],
  ['createBuffer', (options) => gpu.createBuffer(options)],
  ['y', (options) => createTensor(gpu, 'y', [2], options)],
  ['y', (options) => describeTensor('y', [2], options)],
  ['y', (options) => recorder.tensor('y', [2], options)],
  ['y', (options) => recorder.activation('y', [2], options)],
  ['dispatch', (options) => recorder.dispatch(options)],
  ['send', (options) => recorder.send(options)],
  ['receive', (options) => recorder.receive(options)],
  ['recordPerElement', (options) => recordPerElement(recorder, options)],
  ['recordElementwise', (options) => recordElementwise(recorder, options)],
  ['recordProduct', (options) => recordProduct(recorder, options)],
  ['recordRowSums', (options) => recordRowSums(recorder, options)],
  ['recordSplitKSum', (options) => recordSplitKSum(recorder, options)],
  ['productKernel', (options) => productKernel(options)],
  ['stridedRows', (options) => stridedRows(options)],
  ['stridedColumns', (options) => stridedColumns(options)],
  ['elementwiseLayer', (options) => elementwiseLayer(options)],
  ['compileKernels', (options) => compileKernels(gpu, options)],
  ['tune', (options) => tune(gpu, () => undefined, options)],
  ['timeCandidates', (options) => timeCandidates(gpu, tunable, options)],
  ['createTuningCache', (options) => createTuningCache('folder', options)],
  ['double: runLayer', (options) => runLayer(gpu, layer, options)],
  ['double: gradientCheck', (options) => gradientCheck(gpu, layer, [options])],
  ['describeLayer', (options) => describeLayer(() => layer, [], options)],
  ['describeLayer: case', (options) => describeLayer(() => layer, [options], runner)],
  ['recordedKernels', (options) => recordedKernels(odd({}), options, odd({}))],
]);

it('an update refuses an option that it does not know', async () => {
  const update = odd({ label: 'add', tensors: { x }, body: 'x += gradient;', function: '' });
  const error = await thrown(() => recordUpdate(recorder, x, update));
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as Error).message).toContain("add: unknown option 'function'; known: ");
});

it('a program refuses an option of a run that it does not know', async () => {
  const program = createProgram(gpu, () => undefined);
  try {
    const error = await thrown(() => program.run({}, odd({ time: 2 })));
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as Error).message).toBe(
      "run: unknown option 'time'; known: afterwards, begun, times, timestampWrites",
    );
  } finally {
    program.dispose();
  }
});

refuse(ConfigError, [
  ['a type of data', () => createTensor(gpu, 'y', [2], odd({ dataType: 'f64' })), "y: dataType must be 'f32' or 'f16'"],
  ['a type of data', () => recorder.tensor('y', [2], odd({ dataType: 'i8' })), "y: dataType must be 'f32' or 'f16'"],
  [
    'a size',
    () => gpu.createBuffer(odd({ label: 'y', size: '8', usage: 0 })),
    "y: size must be a whole number of at least 0, got '8'",
  ],
  ['a number of cores', () => compileKernels(gpu, { cores: 0.5 }), 'compileKernels: cores must be a whole number'],
  ['an effort', () => tune(gpu, () => undefined, odd({ effort: 'ful' })), "tune: effort must be 'quick' or 'full' or"],
  [
    'a time',
    () => tune(gpu, () => undefined, odd({ effort: 'quick', budgetMilliseconds: 'long' })),
    "budgetMilliseconds must be a number of at least 0, got 'long'",
  ],
  ['a folder', () => createTuningCache(odd(undefined)), 'createTuningCache: folder must be a path, got undefined'],
  [
    'no adapter',
    () => createTensor(odd(undefined), 'y', [2]),
    'y: gpu must be an adapter, opened by openGpu(), got undefined',
  ],
  ['no adapter', () => disposeTensor(odd(null), x), 'x: gpu must be an adapter'],
  ['no adapter', () => createProgram(odd(undefined), () => undefined), 'createProgram: gpu must be an adapter'],
  ['no adapter', () => compileKernels(odd({})), 'compileKernels: gpu must be an adapter'],
  ['no adapter', () => runLayer(odd(undefined), layer, odd({})), 'runLayer: gpu must be an adapter'],
  [
    'no layer',
    () => runLayer(gpu, odd(undefined), odd({})),
    'runLayer: must be a layer, such as from conv2d() or relu()',
  ],
  ['no layer', () => gradientCheck(gpu, odd({}), []), 'gradientCheck: must be a layer'],
  ['a case that is no list', () => gradientCheck(gpu, layer, odd({})), 'gradientCheck: cases must be an array'],
  ['a program', () => createProgram(gpu, odd(undefined)), 'a program is given as a function that records it'],
]);

it('what is no tensor is refused', async () => {
  for (const use of [
    () => disposeTensor(gpu, odd(undefined)),
    () => readTensor(gpu, odd({})),
    () => writeTensor(gpu, odd(null), new Float32Array(1)),
  ]) {
    const error = await thrown(use);
    expect(error).toBeInstanceOf(ShapeError);
    expect((error as Error).message).toContain('a tensor is what createTensor() gave, got ');
  }
});

it.each<[unknown, string]>([
  [undefined, 'whose shape is an array of whole numbers; got Undefined'],
  [new Float32Array(4), 'got Float32Array'],
  [{ shape: 4, data: new Float32Array(4) }, 'got the shape 4'],
  [{ shape: [-4], data: new Float32Array(4) }, 'got the shape -4'],
  [{ shape: [4], data: [1, 2, 3, 4] }, 'data must be a Float32Array, got Array'],
  [{ shape: [5], data: new Float32Array(4) }, 'shape [5] needs 5 values, got 4'],
])('%j is no tensor in host memory', async (input, message) => {
  const error = await thrown(() => runLayer(gpu, layer, { input: odd(input) }));
  expect(error).toBeInstanceOf(ShapeError);
  expect((error as Error).message).toContain('double: input: ');
  expect((error as Error).message).toContain(message);
});

it('an option whose value is undefined is one that was not given', async () => {
  const { output } = await runLayer(
    gpu,
    layer,
    odd({ input: randomTensor([1, 4], 1), seed: undefined, state: undefined }),
  );
  expect(output.shape).toEqual([1, 4]);
});
