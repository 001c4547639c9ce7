import type { Gpu, GpuOptions } from '../adapter/gpu.js';
import { AlexError } from '../errors.js';
import type { Layer } from '../network/layer.js';
import { elementCount, elementsPerImage, formatShape, type HostTensor, type Shape } from '../shape.js';
import { gradientCheck } from './gradient-check.js';
import { type RunLayerOptions, type RunLayerResult, runLayer } from './run-layer.js';
import { randomTensor, relativeError, testGpu } from './values.js';

/** The functions of a test runner: vitest's, jest's or `node:test`'s. */
export interface TestRunner {
  readonly describe: (name: string, tests: () => void) => void;
  readonly it: (name: string, test: () => Promise<void>) => void;
}

/** A layer at one size. Ragged sizes find the most mistakes: primes, and none a multiple of 4. */
export interface LayerCase<Options> {
  /** What the factory is given. */
  readonly options: Options;
  /** `[N, C, H, W]` or `[N, F]`; a few hundred values at most, since slopes are measured. */
  readonly input: Shape;
  /** That the layer can be shared out over so many columns, and what it reads of the layer below then. */
  readonly columns?: { readonly count: number; readonly from: 'own' | 'all' };
}

/** What a reference is given: values in outside layout. */
export interface ReferenceInput<Options> {
  readonly options: Options;
  readonly input: HostTensor;
  readonly parameters: Readonly<Record<string, HostTensor>>;
  readonly outputGradient: HostTensor;
}

/** What a reference gives, in float64 and outside layout. What is left out is held against slopes only. */
export interface ReferenceOutput {
  readonly output: ArrayLike<number>;
  readonly inputGradient?: ArrayLike<number>;
  readonly parameterGradients?: Readonly<Record<string, ArrayLike<number>>>;
}

export interface LayerSuite<Options> extends TestRunner {
  /** Float64 loops from the definition, independent of the layer. */
  readonly reference?: (values: ReferenceInput<Options>) => ReferenceOutput;
  /** Draws an input. Default: N(0, 1). */
  readonly draw?: (shape: Shape, seed: number) => HostTensor;
  /** The smallest batch that the layer takes. Default: 1. */
  readonly smallestBatch?: number;
  /** Whether an image's output depends on other images of the batch, as in batch normalization. Default: false. */
  readonly mixesImages?: boolean;
  /** Whether slopes can be measured: not where the layer draws at every run what it does. Default: true. */
  readonly hasSlopes?: boolean;
  /** Largest differences, as fractions of the largest wanted magnitude. Default: 1e-5 and 1e-4. */
  readonly tolerance?: { readonly output?: number; readonly gradient?: number };
}

/** In 16 bits, a value has 11 significant bits; sums of some dozens of them lose another two or three. */
const mixedTolerance = 2e-2;

/** The ways to share operands between invocations, by what the adapter says that it is. */
const adapters: readonly (readonly [name: string, options: GpuOptions, kind?: 'hardware'])[] = [
  ['with subgroups where the adapter has them', {}],
  ['without subgroups', { subgroups: false }],
  ['through workgroup memory, as on a GPU', { subgroups: false }, 'hardware'],
];

/**
 * Describes what every layer promises, for a runner to test: shapes; values of a float64 reference, on every way to share
 * operands; gradients that are slopes; batches of 1 (or the smallest) and of an odd number; micro-batches; columns; 16-bit storage (where the
 * adapter has `shader-f16`); equal bits in every run; NaN that stays in its image; reuse for other inputs; no buffer left behind.
 *
 * ```ts
 * import { describe, it } from 'vitest';
 * describeLayer(leakyRelu, [{ options: {}, input: [3, 5, 7, 1] }], { describe, it });
 * ```
 *
 * @param layer makes the layer
 */
export function describeLayer<Options>(
  layer: (options: Options) => Layer,
  cases: readonly LayerCase<Options>[],
  suite: LayerSuite<Options>,
): void {
  const { describe, it } = suite;
  for (const one of cases) {
    const { kind } = layer(one.options);
    describe(`${kind} ${JSON.stringify(one.options)} of ${formatShape(one.input)}`, () => {
      const check = new LayerChecks(layer, one, suite);
      const test = (name: string, run: (gpu: Gpu) => Promise<void>) =>
        it(name, async () => {
          await withoutLeaks(await testGpu(), run);
        });
      for (const [name, options, as] of adapters) {
        it(`${suite.reference ? 'gives what the definition says' : 'has the shapes that it says'}, ${name}`, async () => {
          await withoutLeaks(await testGpu(options, as), (gpu) => check.values(gpu));
        });
      }
      test('takes the smallest batch and an odd one', (gpu) => check.batches(gpu));
      test('gives the same bits in every run', (gpu) => check.repeats(gpu));
      test('records no input gradient where none is needed, and the same parameter gradients', (gpu) =>
        check.lowest(gpu));
      test('is made once for any input', (gpu) => check.reuse(gpu));
      test('stores 16 bits in mixed precision, where the adapter has shader-f16', (gpu) => check.mixed(gpu));
      if (suite.hasSlopes ?? true) test('has gradients that are slopes of its output', (gpu) => check.slopes(gpu));
      if (!suite.mixesImages) {
        test('gives micro-batches what it gives the whole batch', (gpu) => check.microBatches(gpu));
        test('keeps NaN within its image', (gpu) => check.nan(gpu));
      }
      if (one.columns) test(`is the same in ${one.columns.count} columns`, (gpu) => check.columns(gpu));
    });
  }
}

async function withoutLeaks(gpu: Gpu, run: (gpu: Gpu) => Promise<void>): Promise<void> {
  const before = gpu.liveBuffers;
  await run(gpu);
  if (gpu.liveBuffers !== before) throw new AlexError(`${gpu.liveBuffers - before} buffers were left behind`);
}

class LayerChecks<Options> {
  readonly #make: (options: Options) => Layer;
  readonly #case: LayerCase<Options>;
  readonly #suite: LayerSuite<Options>;

  constructor(make: (options: Options) => Layer, one: LayerCase<Options>, suite: LayerSuite<Options>) {
    this.#make = make;
    this.#case = one;
    this.#suite = suite;
  }

  async values(gpu: Gpu): Promise<void> {
    const { layer, values } = this.#drawn(this.#case.input, 1);
    const got = await runLayer(gpu, layer, values);
    this.#expectRight(layer, values, got);
  }

  async batches(gpu: Gpu): Promise<void> {
    for (const batch of [this.#suite.smallestBatch ?? 1, 3]) {
      const { layer, values } = this.#drawn([batch, ...this.#case.input.slice(1)], 20 + batch);
      this.#expectRight(layer, values, await runLayer(gpu, layer, values));
    }
  }

  async slopes(gpu: Gpu): Promise<void> {
    const layer = this.#make(this.#case.options);
    await gradientCheck(gpu, layer, [{ input: this.#case.input }, { input: this.#case.input, seed: 7 }]);
  }

  async repeats(gpu: Gpu): Promise<void> {
    const { layer, values } = this.#drawn(this.#case.input, 3);
    const [first, second] = [await runLayer(gpu, layer, values), await runLayer(gpu, layer, values)];
    eachValue(first, second, (what, one, other) => {
      const at = one.data.findIndex((value, i) => !Object.is(value, other.data[i]));
      if (at >= 0)
        throw new AlexError(
          `${layer.name}: ${what}[${at}] is ${one.data[at]} once and ${other.data[at]} the next time`,
        );
    });
  }

  async lowest(gpu: Gpu): Promise<void> {
    const { layer, values } = this.#drawn(this.#case.input, 4);
    const all = await runLayer(gpu, layer, values);
    const lowest = await runLayer(gpu, layer, { ...values, needsInputGradient: false });
    if (lowest.inputGradient) throw new AlexError(`${layer.name}: records an input gradient that nobody needs`);
    for (const [name, gradient] of Object.entries(all.parameterGradients ?? {})) {
      expectClose(
        layer,
        `gradient of ${name}, lowest layer`,
        lowest.parameterGradients![name]!.data,
        gradient.data,
        1e-6,
      );
    }
  }

  async reuse(gpu: Gpu): Promise<void> {
    const layer = this.#make(this.#case.options);
    const other = [this.#case.input[0]! + 2, ...this.#case.input.slice(1)];
    for (const [seed, shape] of [this.#case.input, other, this.#case.input].entries()) {
      const { values } = this.#drawn(shape, 30 + seed);
      this.#expectRight(layer, values, await runLayer(gpu, layer, values));
    }
  }

  async mixed(gpu: Gpu): Promise<void> {
    if (!gpu.features.has('shader-f16')) return;
    const { layer, values } = this.#drawn(this.#case.input, 5);
    const exact = await runLayer(gpu, layer, values);
    const rounded = await runLayer(gpu, layer, { ...values, precision: 'mixed' });
    eachValue(exact, rounded, (what, want, got) =>
      expectClose(layer, `${what} in 16 bits`, got.data, want.data, mixedTolerance),
    );
  }

  async microBatches(gpu: Gpu): Promise<void> {
    const [images, ...features] = this.#case.input;
    const half = images!;
    const { layer, values } = this.#drawn([2 * half, ...features], 6);
    const whole = await runLayer(gpu, layer, values);
    const parts: RunLayerResult[] = [];
    for (const first of [0, half]) {
      const own = { ...values, imagesBefore: first };
      const cut = (tensor: HostTensor) => imagesOf(tensor, first, half);
      parts.push(
        await runLayer(gpu, layer, { ...own, input: cut(values.input), outputGradient: cut(values.outputGradient) }),
      );
    }
    const [lower, upper] = parts as [RunLayerResult, RunLayerResult];
    const joined = (pick: (result: RunLayerResult) => HostTensor) => [...pick(lower).data, ...pick(upper).data];
    expectClose(
      layer,
      'output of micro-batches',
      joined(({ output }) => output),
      whole.output.data,
      1e-6,
    );
    expectClose(
      layer,
      'input gradient of micro-batches',
      joined(({ inputGradient }) => inputGradient!),
      whole.inputGradient!.data,
      1e-6,
    );
    for (const [name, { data }] of Object.entries(whole.parameterGradients ?? {})) {
      const sum = data.map(
        (_, i) => lower.parameterGradients![name]!.data[i]! + upper.parameterGradients![name]!.data[i]!,
      );
      expectClose(layer, `gradient of ${name}, sum over micro-batches`, sum, data, 1e-5);
    }
  }

  async nan(gpu: Gpu): Promise<void> {
    const [images, ...features] = this.#case.input;
    const { layer, values } = this.#drawn([images! + 1, ...features], 8);
    const clean = await runLayer(gpu, layer, values);
    const data = values.input.data.slice();
    data[elementCount(features)] = Number.NaN;
    const { output } = await runLayer(gpu, layer, { ...values, input: { shape: values.input.shape, data } });
    const perImage = elementsPerImage(output.shape);
    for (const [i, value] of output.data.entries()) {
      const own = Math.floor(i / perImage) === 1;
      if (!own && !Object.is(value, clean.output.data[i])) {
        throw new AlexError(
          `${layer.name}: a NaN in image 1 changes output[${i}], which is of image ${Math.floor(i / perImage)}`,
        );
      }
    }
  }

  /** The parts that columns are made of, put together, against the whole. */
  async columns(gpu: Gpu): Promise<void> {
    const { count, from } = this.#case.columns!;
    const { layer, values } = this.#drawn(this.#case.input, 9);
    const whole = await runLayer(gpu, layer, values);
    const ownInput = from === 'own' ? ownShape(this.#case.input, count) : this.#case.input;
    const ownOutput = ownShape(whole.output.shape, count);
    const inputGradient = new Float64Array(whole.inputGradient!.data.length);
    for (let index = 0; index < count; index++) {
      const part = layer.column({ index, count });
      if (formatShape(part.outputShape(ownInput)) !== formatShape(ownOutput)) {
        throw new AlexError(
          `${layer.name}: column ${index} of ${count} gives ${formatShape(part.outputShape(ownInput))}, not ${formatShape(ownOutput)}`,
        );
      }
      const input = from === 'own' ? mapsOf(values.input, index, count) : values.input;
      const parameters: Record<string, HostTensor> = {};
      for (const { name, shape } of part.parameters(ownInput)) {
        parameters[name] = sliceTo(values.parameters![name]!, shape, index);
      }
      const outputGradient = mapsOf(values.outputGradient, index, count);
      const got = await runLayer(gpu, part, { ...values, input, parameters, outputGradient });
      const what = `column ${index} of ${count}`;
      expectClose(layer, `output of ${what}`, got.output.data, mapsOf(whole.output, index, count).data, 1e-5);
      for (const [name, { shape, data }] of Object.entries(got.parameterGradients ?? {})) {
        const want = sliceTo(whole.parameterGradients![name]!, shape, index).data;
        expectClose(layer, `gradient of ${name}, ${what}`, data, want, 1e-4);
      }
      addMaps(inputGradient, got.inputGradient!, whole.inputGradient!.shape, from === 'own' ? index : undefined, count);
    }
    expectClose(layer, `input gradient of ${count} columns`, inputGradient, whole.inputGradient!.data, 1e-4);
  }

  #drawn(shape: Shape, seed: number) {
    const { draw = randomTensor } = this.#suite;
    const layer = this.#make(this.#case.options);
    const parameters = Object.fromEntries(
      layer.parameters(shape).map(({ name, shape: own, initial }, index) => {
        const center = initial.distribution === 'constant' ? initial.value : 0;
        const { data } = randomTensor(own, seed + 50 + index, 0.5);
        return [name, { shape: [...own], data: data.map((value) => center + value) }];
      }),
    );
    const values = {
      input: draw(shape, seed),
      parameters,
      outputGradient: randomTensor(layer.outputShape(shape), seed + 90),
      seed,
    } satisfies RunLayerOptions;
    return { layer, values };
  }

  #expectRight(
    layer: Layer,
    values: { input: HostTensor; parameters: Record<string, HostTensor>; outputGradient: HostTensor },
    got: RunLayerResult,
  ): void {
    const { reference, tolerance: { output = 1e-5, gradient = 1e-4 } = {} } = this.#suite;
    const { input, parameters, outputGradient } = values;
    expectShape(layer, 'output', got.output, layer.outputShape(input.shape));
    expectShape(layer, 'input gradient', got.inputGradient, input.shape);
    for (const { name, shape } of layer.parameters(input.shape)) {
      expectShape(layer, `gradient of ${name}`, got.parameterGradients?.[name], shape);
    }
    if (!reference) return;
    const want = reference({ options: this.#case.options, input, parameters, outputGradient });
    expectClose(layer, 'output', got.output.data, want.output, output);
    if (want.inputGradient) expectClose(layer, 'input gradient', got.inputGradient!.data, want.inputGradient, gradient);
    for (const [name, wanted] of Object.entries(want.parameterGradients ?? {})) {
      expectClose(layer, `gradient of ${name}`, got.parameterGradients![name]!.data, wanted, gradient);
    }
  }
}

function expectShape(layer: Layer, what: string, got: HostTensor | undefined, shape: Shape): void {
  if (!got) throw new AlexError(`${layer.name}: gives no ${what}`);
  if (formatShape(got.shape) !== formatShape(shape)) {
    throw new AlexError(
      `${layer.name}: ${what} has the shape ${formatShape(got.shape)}, expected ${formatShape(shape)}`,
    );
  }
}

function expectClose(layer: Layer, what: string, got: ArrayLike<number>, want: ArrayLike<number>, most: number): void {
  const error = relativeError(got, want);
  if (!(error <= most)) {
    throw new AlexError(
      `${layer.name}: ${what} is off by ${error.toExponential(1)} of its largest value, ${most} is allowed`,
    );
  }
}

function eachValue(
  one: RunLayerResult,
  other: RunLayerResult,
  compare: (what: string, one: HostTensor, other: HostTensor) => void,
): void {
  compare('output', one.output, other.output);
  if (one.inputGradient) compare('input gradient', one.inputGradient, other.inputGradient!);
  for (const [name, gradient] of Object.entries(one.parameterGradients ?? {})) {
    compare(`gradient of ${name}`, gradient, other.parameterGradients![name]!);
  }
}

function imagesOf({ shape, data }: HostTensor, first: number, count: number): HostTensor {
  const perImage = elementsPerImage(shape);
  return { shape: [count, ...shape.slice(1)], data: data.slice(first * perImage, (first + count) * perImage) };
}

function ownShape([images, maps, ...rest]: Shape, columns: number): number[] {
  return [images!, maps! / columns, ...rest];
}

/** The maps (or values) of one column, of every image. */
function mapsOf(tensor: HostTensor, index: number, count: number): HostTensor {
  return sliceTo(tensor, ownShape(tensor.shape, count), index);
}

/** The `index`-th of the pieces of a shape that a tensor is cut into, along the axis where they differ. */
function sliceTo({ shape, data }: HostTensor, piece: Shape, index: number): HostTensor {
  const axis = shape.findIndex((size, at) => size !== piece[at]);
  if (axis < 0) return { shape: [...shape], data };
  const inner = elementCount(shape.slice(axis + 1));
  const run = piece[axis]! * inner;
  const result = new Float32Array(elementCount(piece));
  for (let outer = 0; outer < result.length / run; outer++) {
    const from = outer * shape[axis]! * inner + index * run;
    result.set(data.subarray(from, from + run), outer * run);
  }
  return { shape: [...piece], data: result };
}

/** Adds a column's input gradient where it belongs: to its own maps, or to all. */
function addMaps(
  sum: Float64Array,
  { data }: HostTensor,
  shape: Shape,
  index: number | undefined,
  count: number,
): void {
  const perImage = elementsPerImage(shape);
  const own = index === undefined ? perImage : perImage / count;
  for (const [i, value] of data.entries()) {
    const at = Math.floor(i / own) * perImage + (index ?? 0) * own + (i % own);
    sum[at]! += value;
  }
}
