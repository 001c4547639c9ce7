import type { Gpu } from '../adapter/gpu.js';
import { ShapeError } from '../errors.js';
import type { GradientEpilogue } from '../kernel/epilogue.js';
import { createProgram } from '../kernel/program.js';
import {
  createTensor,
  disposeTensor,
  readTensors,
  type Tensor,
  type TensorOptions,
  writeTensor,
} from '../kernel/tensor.js';
import { checkLayer } from '../network/description.js';
import { initialValues } from '../network/initialize.js';
import type { Layer } from '../network/layer.js';
import { recordLayerBackward, recordLayerForward } from '../network/layer-contract.js';
import { fromMemoryLayout, toMemoryLayout } from '../network/layout.js';
import type { Precision } from '../network/network-tensors.js';
import { recorderFor } from '../network/programs.js';
import { checkGpu, checkOptions } from '../option-checks.js';
import { checkHostTensor, elementCount, formatShape, type HostTensor, type Shape } from '../shape.js';

export interface RunLayerOptions {
  /** `[N, C, H, W]` or `[N, F]`. */
  readonly input: HostTensor;
  /** By name (`weight`, `bias`). Default: generated from the seed. */
  readonly parameters?: Readonly<Record<string, HostTensor>>;
  /** The layer's state, by name. Default: the initial values. */
  readonly state?: Readonly<Record<string, HostTensor>>;
  /** With the output's shape. If it is given, the backward pass runs too. */
  readonly outputGradient?: HostTensor;
  /** Whether dropout and the like are active. Default: true if an output gradient is given, otherwise false. */
  readonly training?: boolean;
  readonly seed?: number;
  readonly step?: number;
  /**
   * How many images of the step came before these, in other micro-batches: dropout then uses the random numbers for
   * these images of the whole step.
   */
  readonly imagesBefore?: number;
  /** `mixed` stores input, activations, parameters and gradients in 16 bits, as training in mixed precision does. Default: `float32`. */
  readonly precision?: Precision;
  /** For layers with `takesGradientEpilogue`: the backward pass of the layer below, whose output is the input here. */
  readonly gradientEpilogue?: GradientEpilogue;
  /** False if nothing below the layer learns. Default: true. */
  readonly needsInputGradient?: boolean;
}

export interface RunLayerResult {
  output: HostTensor;
  inputGradient?: HostTensor;
  parameterGradients?: Record<string, HostTensor>;
  /** The new state in training, by name, if the layer has state. The given values do not change. */
  state?: Record<string, HostTensor>;
}

/**
 * Runs one layer forward, and also backward if an output gradient is given, on values in host memory and the public
 * layout. The tests of all layers use it, and you can try a layer by hand with it.
 *
 * @throws ShapeError if input, parameters, state or gradient do not fit the layer; ShapeError or ConfigError if the
 * layer's own `forward` or `backward` violates the contract; ConfigError if an option is unknown
 */
export async function runLayer(gpu: Gpu, layer: Layer, options: RunLayerOptions): Promise<RunLayerResult> {
  checkGpu('runLayer', gpu);
  checkLayer('runLayer', layer);
  checkOptions(`${layer.name}: runLayer`, options, [
    'input',
    'parameters',
    'state',
    'outputGradient',
    'training',
    'seed',
    'step',
    'imagesBefore',
    'precision',
    'gradientEpilogue',
    'needsInputGradient',
  ]);
  const { input, outputGradient, seed = 0, step = 0, imagesBefore = 0, precision, needsInputGradient = true } = options;
  const training = options.training ?? outputGradient !== undefined;
  checkHostTensor(`${layer.name}: input`, input);
  const outputShape = layer.outputShape(input.shape);
  if (outputGradient) expectShape(`${layer.name}: output gradient`, outputGradient, outputShape);
  const batch = input.shape[0]!;
  const descriptions = layer.parameters(input.shape);
  const stateDescriptions = layer.state?.(input.shape) ?? [];
  const tensors: Tensor[] = [];
  const stored = precision === 'mixed' ? ({ dataType: 'f16' } as const) : {};
  // Results are read in 32 bits, and so is state.
  const make = (label: string, shape: Shape, values?: Float32Array, options: TensorOptions = values ? stored : {}) => {
    const tensor = createTensor(gpu, label, shape, options);
    tensors.push(tensor);
    if (values) writeTensor(gpu, tensor, values);
    return tensor;
  };
  try {
    const parameters = Object.fromEntries(
      descriptions.map((description) => {
        const given = options.parameters?.[description.name];
        if (given) expectShape(`${layer.name}: ${description.name}`, given, description.shape);
        const path = `${layer.name}.${description.name}`;
        const values = given?.data ?? initialValues({ ...description, path }, seed);
        return [description.name, make(description.name, description.shape, values)];
      }),
    );
    for (const name of Object.keys(options.parameters ?? {})) {
      if (!parameters[name]) throw new ShapeError(`${layer.name}: has no parameter called ${name}`);
    }
    const state = Object.fromEntries(
      stateDescriptions.map(({ name, shape, initial }) => {
        const given = options.state?.[name];
        if (given) expectShape(`${layer.name}: ${name}`, given, shape);
        return [name, make(name, shape, given?.data ?? new Float32Array(elementCount(shape)).fill(initial), {})];
      }),
    );
    for (const name of Object.keys(options.state ?? {})) {
      if (!state[name]) throw new ShapeError(`${layer.name}: has no state called ${name}`);
    }
    const withState = stateDescriptions.length > 0 && { state };
    const deviceInput = make('input', input.shape, toMemoryLayout(input, batch));
    const deviceGradient =
      outputGradient && make('output gradient', outputShape, toMemoryLayout(outputGradient, batch));
    const results: { from: Tensor; to: Tensor }[] = [];
    let inputGradient: Tensor | undefined;
    const parameterGradients: Record<string, Tensor> = {};
    const newState: Record<string, Tensor> = {};
    let output!: Tensor;
    const program = createProgram(gpu, (ownRecorder) => {
      const recorder = recorderFor(ownRecorder, precision);
      // Copied before backward, which may overwrite it.
      const copy = (from: Tensor) => {
        const to = make(`${from.label} copy`, from.shape);
        results.push({ from, to });
        recorder.dispatch({
          label: 'copy',
          reads: { from },
          writes: { to },
          workgroups: [Math.min(1024, Math.max(1, Math.ceil(from.elements / 64)))],
          wgsl: `
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) count: vec3u) {
  for (var i = id.x; i < ${from.elements}u; i += count.x * 64u) { store_to(i, load_from(i)); }
}`,
        });
        return to;
      };
      const given = { input: deviceInput, parameters, ...withState };
      const { state: made = {}, ...forward } = recordLayerForward(
        recorder,
        layer,
        { ...given, training },
        stateDescriptions,
      );
      output = copy(forward.output);
      if (training) for (const [name, tensor] of Object.entries(made)) newState[name] = copy(tensor);
      if (!deviceGradient) return;
      const { gradientEpilogue: epilogue } = options;
      const values = { ...forward, ...given, outputGradient: deviceGradient, needsInputGradient, epilogue };
      const backward = recordLayerBackward(recorder, layer, values, descriptions);
      if (backward.inputGradient) inputGradient = copy(backward.inputGradient);
      for (const [name, gradient] of Object.entries(backward.parameterGradients ?? {})) {
        parameterGradients[name] = copy(gradient);
      }
    });
    try {
      await program.run({ seed, step, imagesBefore });
      const values = new Map<Tensor, Float32Array>();
      const copies = results.map(({ to }) => to);
      (await readTensors(gpu, copies)).forEach((data, index) => {
        values.set(copies[index]!, data as Float32Array);
      });
      const activation = (tensor: Tensor) => fromMemoryLayout(values.get(tensor)!, tensor.shape, batch);
      const byName = (tensors: Readonly<Record<string, Tensor>>) =>
        Object.fromEntries(
          Object.entries(tensors).map(([name, tensor]) => [
            name,
            { shape: [...tensor.shape], data: values.get(tensor)! },
          ]),
        );
      const result: RunLayerResult = { output: activation(output) };
      if (training && withState) result.state = byName(newState);
      if (!deviceGradient) return result;
      if (inputGradient) result.inputGradient = activation(inputGradient);
      result.parameterGradients = byName(parameterGradients);
      return result;
    } finally {
      program.dispose();
    }
  } finally {
    for (const tensor of tensors) disposeTensor(gpu, tensor);
  }
}

function expectShape(what: string, tensor: HostTensor, shape: Shape): void {
  if (formatShape(tensor.shape) !== formatShape(shape)) {
    throw new ShapeError(`${what} must have the shape ${formatShape(shape)}, got ${formatShape(tensor.shape)}`);
  }
  checkHostTensor(what, tensor);
}
