import type { Gpu } from '../adapter/gpu.js';
import { AlexError } from '../errors.js';
import type { GradientEpilogue } from '../kernel/epilogue.js';
import type { Layer } from '../network/layer.js';
import { elementCount, elementsPerImage, formatShape, type HostTensor, type Shape } from '../shape.js';
import { eachValue, expectClose, expectShape } from './expectations.js';
import { gradientCheck } from './gradient-check.js';
import type { LayerCase, LayerSuite } from './layer-suite.js';
import { addChannels, channelsOf, imagesOf, ownShape, sliceTo } from './pieces.js';
import { type RunLayerOptions, type RunLayerResult, runLayer } from './run-layer.js';
import { randomTensor } from './values.js';

/** A 16-bit value has 11 significant bits; sums of some dozens of values lose another two or three. */
const mixedTolerance = 2e-2;

/** The contract of every layer, one method per property: each throws if the layer violates it. */
export class LayerChecks<Options> {
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
          `${layer.name}: ${what}[${at}] is ${one.data[at]} in one run and ${other.data[at]} in the next`,
        );
    });
  }

  async lowest(gpu: Gpu): Promise<void> {
    const { layer, values } = this.#drawn(this.#case.input, 4);
    const all = await runLayer(gpu, layer, values);
    const lowest = await runLayer(gpu, layer, { ...values, needsInputGradient: false });
    if (lowest.inputGradient) throw new AlexError(`${layer.name}: records an input gradient that is not needed`);
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

  /** The backward pass of the layer below, with numbers for which an error is visible. */
  async gradientEpilogue(gpu: Gpu): Promise<void> {
    const [images, ...features] = this.#case.input;
    for (const batch of [images!, 4]) {
      const { layer, values } = this.#drawn([batch, ...features], 10 + batch);
      const { inputGradient } = await runLayer(gpu, layer, values);
      const gradientEpilogue: GradientEpilogue = { name: 'half', wgsl: (g, y) => `0.5 * ${g} + 3.0 * ${y}` };
      const got = await runLayer(gpu, layer, { ...values, gradientEpilogue });
      const want = inputGradient!.data.map((gradient, i) => 0.5 * gradient + 3 * values.input.data[i]!);
      expectClose(layer, 'input gradient after an epilogue', got.inputGradient!.data, want, 1e-6);
    }
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
          `${layer.name}: a NaN in image 1 changes output[${i}], which belongs to image ${Math.floor(i / perImage)}`,
        );
      }
    }
  }

  /** Compares the combined parts of the columns with the whole. */
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
      const input = from === 'own' ? channelsOf(values.input, index, count) : values.input;
      const parameters: Record<string, HostTensor> = {};
      for (const { name, shape } of part.parameters(ownInput)) {
        parameters[name] = sliceTo(values.parameters![name]!, shape, index);
      }
      const outputGradient = channelsOf(values.outputGradient, index, count);
      const got = await runLayer(gpu, part, { ...values, input, parameters, outputGradient });
      const what = `column ${index} of ${count}`;
      expectClose(layer, `output of ${what}`, got.output.data, channelsOf(whole.output, index, count).data, 1e-5);
      for (const [name, { shape, data }] of Object.entries(got.parameterGradients ?? {})) {
        const want = sliceTo(whole.parameterGradients![name]!, shape, index).data;
        expectClose(layer, `gradient of ${name}, ${what}`, data, want, 1e-4);
      }
      addChannels(
        inputGradient,
        got.inputGradient!,
        whole.inputGradient!.shape,
        from === 'own' ? index : undefined,
        count,
      );
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
