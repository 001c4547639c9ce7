import type { Gpu } from '../adapter/gpu.js';
import { CheckpointError, ConfigError, ShapeError } from '../errors.js';
import {
  createProgram,
  createPrograms,
  type DispatchTiming,
  type Program,
  planPrograms,
  type RecordDispatches,
} from '../kernel/program.js';
import type { Recorder } from '../kernel/recorder.js';
import {
  bufferOf,
  createReadback,
  createTensor,
  describeTensor,
  disposeTensor,
  type Readback,
  readTensors,
  type Tensor,
  writeTensor,
} from '../kernel/tensor.js';
import { type TuneOptions, type TuningReport, tune } from '../kernel/tuner.js';
import { checkHostTensor, elementCount, formatShape, type HostTensor } from '../shape.js';
import type { NetworkDescription, NetworkTable } from './description.js';
import { initialValues } from './initialize.js';
import { fromMemoryLayout, toMemoryLayout } from './layout.js';
import { lossScale, recordUnscaled } from './loss-scale.js';
import type { Evaluation, MemoryPlan, Network, StepOptions, StepResult, StepUnderWay } from './network.js';
import type { LearnedParameter } from './optimizer.js';
import {
  allTensors,
  learnedParameters,
  memoryPlan,
  type NetworkTensors,
  networkTensors,
  type ProgramOptions,
  precisions,
  recordCopy,
  recordEvaluation,
  recordGradients,
  recordPart,
  recordTraining,
  recordUpdate,
} from './programs.js';
import { type LayerStatistics, recordStatistics, statisticsOf, statisticsShape, watched } from './statistics.js';
import { StepsUnderWay } from './steps-under-way.js';

export interface CompileOptions extends ProgramOptions {
  /** Decides initial parameters and every random choice of the layers; 0 where it is left out. */
  readonly seed?: number;
}

/** Fits a described network to one adapter: gives it memory, compiles its programs, draws its parameters. */
export function compileNetwork(description: NetworkDescription, gpu: Gpu, options: CompileOptions): Network {
  const { seed = 0 } = options;
  checkOptions(description, gpu, options);
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw new ConfigError(`${description.name}: seed must be a whole number from 0 to ${0xffffffff}, got ${seed}`);
  }
  return gpu.allOrNothing(() => new CompiledNetwork(description, gpu, { ...options, seed }));
}

/** How much memory {@link compileNetwork} would take, without taking any. */
export function planNetwork(description: NetworkDescription, gpu: Gpu, options: ProgramOptions): MemoryPlan {
  checkOptions(description, gpu, options);
  const tensors = networkTensors(description, options, describeTensor);
  return memoryPlan(tensors, planPrograms(gpu, Object.values(programsOf(description, options, tensors))));
}

/** How {@link tuneNetwork} tunes a network: as it will be compiled, and as `tune` is told. */
export type TuneNetworkOptions = CompileOptions & TuneOptions;

/**
 * Finds the fastest kernels for a network on an adapter before it is made: what {@link compileNetwork} compiles for the
 * adapter afterwards, with the same options, is made of them.
 *
 * @throws as compileNetwork does, and AdapterError where the adapter is lost
 */
export async function tuneNetwork(
  description: NetworkDescription,
  gpu: Gpu,
  options: TuneNetworkOptions,
): Promise<TuningReport> {
  checkOptions(description, gpu, options);
  const tensors = networkTensors(description, options, describeTensor);
  const records = Object.values(programsOf(description, options, tensors));
  return tune(
    gpu,
    (recorder) => {
      for (const record of records) record(recorder);
    },
    options,
  );
}

function checkOptions(description: NetworkDescription, gpu: Gpu, options: ProgramOptions): void {
  const { batch, precision = 'float32', parts = 1 } = options;
  if (!Number.isInteger(batch) || batch < 1) {
    throw new ConfigError(`${description.name}: batch must be a whole number of at least 1, got ${batch}`);
  }
  if (!Number.isInteger(parts) || parts < 1) {
    throw new ConfigError(`${description.name}: parts must be a whole number of at least 1, got ${parts}`);
  }
  if (!precisions.includes(precision)) {
    throw new ConfigError(
      `${description.name}: precision must be ${precisions.join(' or ')}, got ${String(precision)}`,
    );
  }
  if (precision === 'mixed' && !gpu.features.has('shader-f16')) {
    throw new ConfigError(
      `${description.name}: mixed precision needs an adapter with the feature shader-f16, which ${gpu.description.name} ` +
        'has not; use float32 or another adapter',
    );
  }
  if (description.output.length !== 1) {
    throw new ShapeError(
      `${description.name}: the last layer must give one score a class, [N, classes]; it gives ` +
        `[N, ${description.output.join(', ')}]`,
    );
  }
}

/** What each program of a network records. */
function programsOf(
  description: NetworkDescription,
  options: ProgramOptions,
  tensors: NetworkTensors,
): { readonly evaluate: RecordDispatches; readonly train?: RecordDispatches; readonly update?: RecordDispatches } {
  const recorded =
    (record: typeof recordTraining): RecordDispatches =>
    (recorder) =>
      record(recorder, description, options, tensors);
  const evaluate = recorded(recordEvaluation);
  if (options.training === false) return { evaluate };
  if (tensors.gradients.size === 0) return { evaluate, train: recorded(recordTraining) };
  return { evaluate, train: recorded(recordPart), update: recorded(recordUpdate) };
}

class CompiledNetwork implements Network {
  readonly batch: number;
  readonly parts: number;
  readonly input: Tensor;
  stepCount = 0;
  readonly #gpu: Gpu;
  readonly #options: CompileOptions & { seed: number };
  readonly #learned: readonly LearnedParameter[];
  readonly #tensors: NetworkTensors;
  readonly #programs: { readonly evaluate: Program; readonly train?: Program; readonly update?: Program };
  /** The part of the step that comes next. */
  #part = 0;
  readonly #steps: StepsUnderWay;
  readonly #readEvaluation: Readback;
  /** Where pictures and labels are put in order on their way to the adapter; the first made when they are first needed. */
  #stagedPictures: Float32Array<ArrayBuffer> | undefined;
  readonly #stagedLabels: Uint32Array;
  #queue: Promise<unknown> = Promise.resolve();
  #disposed = false;

  constructor(
    readonly description: NetworkDescription,
    gpu: Gpu,
    options: CompileOptions & { seed: number },
  ) {
    this.#gpu = gpu;
    this.#options = options;
    const { batch, optimizer, seed, parts = 1 } = options;
    this.batch = batch;
    this.parts = parts;
    this.#stagedLabels = new Uint32Array(batch);
    this.#learned = learnedParameters(description);
    optimizer.scalars(optimizer.learningRate, this.#learned);
    this.#tensors = networkTensors(description, options, (...given) => createTensor(gpu, ...given));
    const { input, measures, output, probabilities, parameters } = this.#tensors;
    this.input = input;
    for (const parameter of this.#learned) {
      writeTensor(gpu, parameters.get(parameter.path)!, initialValues(parameter, seed));
    }
    const scale = this.#tensors.state.get(lossScale.name);
    if (scale) writeTensor(gpu, scale, lossScale.initial);
    this.#programs = createPrograms(gpu, programsOf(description, options, this.#tensors));
    this.#steps = new StepsUnderWay(gpu, measures, batch);
    this.#readEvaluation = createReadback(gpu, [measures, output, probabilities]);
  }

  forward(pictures: HostTensor | Tensor): Promise<HostTensor> {
    return this.#inTurn(async () => {
      const { output } = await this.#evaluate(pictures);
      return output;
    });
  }

  evaluate(pictures: HostTensor | Tensor, labels: ArrayLike<number>): Promise<Evaluation> {
    return this.#inTurn(async () => (await this.#evaluate(pictures, labels)).evaluation);
  }

  submitStep(
    pictures: HostTensor | Tensor,
    labels: ArrayLike<number>,
    options: StepOptions = {},
  ): Promise<StepUnderWay> {
    return this.#inTurn(async () => {
      const program = this.#trainingProgram();
      const step = await this.#steps.submit(async (encode) => {
        this.#fill(pictures, labels, this.batch);
        await program.run(this.#trainingScalars(options), encode);
      });
      await this.#endPart(options);
      return step;
    });
  }

  async step(pictures: HostTensor | Tensor, labels: ArrayLike<number>, options: StepOptions = {}): Promise<StepResult> {
    const step = await this.submitStep(pictures, labels, options);
    return step.result();
  }

  profile(pictures: HostTensor | Tensor, labels: ArrayLike<number>): Promise<DispatchTiming[]> {
    return this.#inTurn(async () => {
      const program = this.#trainingProgram();
      this.#fill(pictures, labels, this.batch);
      const timings = await program.profile(this.#trainingScalars({}));
      await this.#endPart({});
      return timings;
    });
  }

  gradients(pictures: HostTensor | Tensor, labels: ArrayLike<number>): Promise<Record<string, HostTensor>> {
    return this.#inTurn(async () => {
      this.#fill(pictures, labels, this.batch);
      const gpu = this.#gpu;
      const gradients = this.#learned.map(({ path, shape }) => createTensor(gpu, `${path} gradient`, shape));
      const program = createProgram(gpu, (recorder) => {
        const byPath = new Map(gradients.map((tensor, index) => [this.#learned[index]!.path, tensor]));
        const scale = this.#tensors.state.get(lossScale.name);
        recordGradients(recorder, this.description, this.#options, this.#tensors, (path, gradient) => {
          if (scale) recordUnscaled(recorder, gradient, scale, byPath.get(path)!);
          else recordCopy(recorder, gradient, byPath.get(path)!);
        });
      });
      try {
        await program.run({ seed: this.#options.seed, step: this.stepCount, part: 0 });
        return hostTensors(this.#learned, await readTensors(gpu, gradients));
      } finally {
        program.dispose();
        for (const tensor of gradients) disposeTensor(gpu, tensor);
      }
    });
  }

  statistics(pictures: HostTensor | Tensor, labels: ArrayLike<number>): Promise<LayerStatistics[]> {
    return this.#inTurn(async () => {
      this.#fill(pictures, labels, this.batch);
      const gpu = this.#gpu;
      const results = new Map<string, Tensor>();
      const measure = (recorder: Recorder, name: string, x: Tensor) => {
        const result = createTensor(gpu, name, statisticsShape);
        results.set(name, result);
        recordStatistics(recorder, x, result);
      };
      let program: Program | undefined;
      try {
        program = createProgram(gpu, (recorder) => {
          const description = watched(this.description, (inner, { name }, output) => measure(inner, name, output));
          const scale = this.#tensors.state.get(lossScale.name);
          recordGradients(recorder, description, this.#options, this.#tensors, (path, gradient) => {
            const unscaled = scale ? recorder.tensor(`${path}/unscaled`, gradient.shape) : gradient;
            if (scale) recordUnscaled(recorder, gradient, scale, unscaled);
            measure(recorder, `${path}/gradient`, unscaled);
          });
          for (const [path, parameter] of this.#tensors.parameters) measure(recorder, path, parameter);
        });
        await program.run({ seed: this.#options.seed, step: this.stepCount, part: this.#part });
        const values = await readTensors(gpu, [...results.values()]);
        const statistics = new Map([...results.keys()].map((name, index) => [name, statisticsOf(values[index]!)]));
        // A layer that the one below did in its stead gives what that one gave.
        let output = statisticsOf(new Float32Array(elementCount(statisticsShape)));
        return this.description.layers.map(({ layer, parameters }) => {
          output = statistics.get(layer.name) ?? output;
          const own = parameters.map(({ name, path }) => {
            const [value, gradient] = [statistics.get(path)!, statistics.get(`${path}/gradient`)!];
            return [name, { value, gradient }] as const;
          });
          return { layer: layer.name, output, parameters: Object.fromEntries(own) };
        });
      } finally {
        program?.dispose();
        for (const tensor of results.values()) disposeTensor(gpu, tensor);
      }
    });
  }

  parameters(): Promise<Record<string, HostTensor>> {
    return this.#inTurn(async () =>
      hostTensors(this.#learned, await readTensors(this.#gpu, [...this.#tensors.parameters.values()])),
    );
  }

  loadParameters(parameters: Readonly<Record<string, HostTensor>>): void {
    this.#load('parameter', this.#tensors.parameters, parameters);
  }

  optimizerState(): Promise<Record<string, HostTensor>> {
    return this.#inTurn(async () => {
      const named = [...this.#tensors.state].map(([path, { shape }]) => ({ path, shape }));
      return hostTensors(named, await readTensors(this.#gpu, [...this.#tensors.state.values()]));
    });
  }

  loadState(state: { step: number; optimizerState: Readonly<Record<string, HostTensor>> }): void {
    if (!Number.isInteger(state.step) || state.step < 0) {
      throw new CheckpointError(`the step must be a whole number of at least 0, got ${state.step}`);
    }
    this.#load('optimizer state', this.#tensors.state, state.optimizerState);
    this.stepCount = state.step;
    this.#part = 0;
  }

  table(): NetworkTable {
    return this.description.table();
  }

  memory(): MemoryPlan {
    return memoryPlan(this.#tensors, this.#programs.evaluate);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const program of Object.values(this.#programs)) program.dispose();
    this.#steps.dispose();
    this.#readEvaluation.dispose();
    for (const tensor of allTensors(this.#tensors)) disposeTensor(this.#gpu, tensor);
  }

  /** One operation at a time: they share the input, the labels and the results. */
  #inTurn<Result>(operation: () => Promise<Result>): Promise<Result> {
    if (this.#disposed) return Promise.reject(new ConfigError(`${this.description.name}: this network was disposed`));
    const result = this.#queue.then(operation);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  #trainingProgram(): Program {
    const { train } = this.#programs;
    if (!train) throw new ConfigError(`${this.description.name}: made with training: false, so it cannot learn`);
    return train;
  }

  #trainingScalars(options: StepOptions): Record<string, number> {
    const { optimizer, seed } = this.#options;
    const learningRate = options.learningRate ?? optimizer.learningRate;
    const rates = optimizer.scalars(learningRate, this.#learned, options.learningRates);
    return { seed, step: this.stepCount, part: this.#part, ...rates };
  }

  /** Changes the parameters after the last part of a step, where that is not done by the part itself. */
  async #endPart(options: StepOptions): Promise<void> {
    const scalars = this.#trainingScalars(options);
    this.#part = (this.#part + 1) % this.parts;
    if (this.#part > 0) return;
    await this.#programs.update?.run(scalars);
    this.stepCount++;
  }

  async #evaluate(
    pictures: HostTensor | Tensor,
    labels?: ArrayLike<number>,
  ): Promise<{ output: HostTensor; evaluation: Evaluation }> {
    const images = this.#fill(pictures, labels);
    await this.#programs.evaluate.run({ seed: this.#options.seed, step: this.stepCount });
    const [measures, output, probabilities] = await this.#readEvaluation.read();
    const shape = [images, ...this.description.output];
    const row = (index: number) =>
      Float32Array.from(measures!.subarray(index * this.batch, index * this.batch + images));
    return {
      output: fromMemoryLayout(output!, shape, this.batch),
      evaluation: {
        losses: row(0),
        top1Errors: row(1),
        top5Errors: row(2),
        probabilities: fromMemoryLayout(probabilities!, shape, this.batch),
      },
    };
  }

  /** Brings pictures and labels to the adapter; gives the number of images. */
  #fill(pictures: HostTensor | Tensor, labels: ArrayLike<number> | undefined, exactly?: number): number {
    const images = pictures.shape[0]!;
    const fits =
      pictures.shape.length === 4 &&
      pictures.shape.slice(1).every((size, axis) => size === this.description.input[axis]);
    if (!fits || images < 1 || images > this.batch || (exactly !== undefined && images !== exactly)) {
      const count = exactly === undefined ? `1 to ${this.batch}` : `${exactly}`;
      throw new ShapeError(
        `${this.description.name}: takes [${count}, ${this.description.input.join(', ')}] pictures, got ${formatShape(pictures.shape)}`,
      );
    }
    if (labels) writeTensor(this.#gpu, this.#tensors.labels, this.#checkLabels(labels, images, pictures));
    if ('data' in pictures) {
      checkHostTensor(`${this.description.name}: pictures`, pictures);
      this.#stagedPictures ??= new Float32Array(this.input.elements);
      writeTensor(this.#gpu, this.input, toMemoryLayout(pictures, this.batch, this.#stagedPictures));
    } else if (pictures !== this.input) {
      if (images !== this.batch) {
        throw new ShapeError(
          `${this.description.name}: pictures on the adapter must be ${this.batch} images, got ${images}`,
        );
      }
      const encoder = this.#gpu.device.createCommandEncoder();
      encoder.copyBufferToBuffer(bufferOf(pictures), 0, bufferOf(this.input), 0, this.input.elements * 4);
      this.#gpu.device.queue.submit([encoder.finish()]);
    }
    return images;
  }

  #checkLabels(labels: ArrayLike<number>, images: number, pictures: HostTensor | Tensor): Uint32Array {
    const classes = this.description.output[0]!;
    const onAdapter = !('data' in pictures);
    // Pictures that are on the adapter already fill the whole batch; the last of them may be left unlabelled.
    if (onAdapter ? labels.length > images || labels.length < 1 : labels.length !== images) {
      throw new ShapeError(`${this.description.name}: ${images} pictures need ${images} labels, got ${labels.length}`);
    }
    const checked = this.#stagedLabels.fill(0);
    for (let image = 0; image < labels.length; image++) {
      const label = labels[image]!;
      if (!Number.isInteger(label) || label < 0 || label >= classes) {
        throw new ShapeError(
          `${this.description.name}: label ${label} of image ${image} is not one of 0 to ${classes - 1}`,
        );
      }
      checked[image] = label;
    }
    return checked;
  }

  #load(what: string, own: ReadonlyMap<string, Tensor>, given: Readonly<Record<string, HostTensor>>): void {
    const { name } = this.description;
    for (const path of Object.keys(given)) {
      if (!own.has(path)) throw new CheckpointError(`${name}: has no ${what} called ${path}`);
    }
    for (const [path, tensor] of own) {
      const values = given[path];
      if (!values) throw new CheckpointError(`${name}: the ${what} ${path} is missing`);
      checkHostTensor(`${name}: ${path}`, values);
      if (formatShape(values.shape) !== formatShape(tensor.shape)) {
        throw new CheckpointError(
          `${name}: ${path} must have the shape ${formatShape(tensor.shape)}, got ${formatShape(values.shape)}`,
        );
      }
    }
    for (const [path, tensor] of own) writeTensor(this.#gpu, tensor, given[path]!.data);
  }
}

function hostTensors(
  named: readonly { readonly path: string; readonly shape: readonly number[] }[],
  values: readonly (Float32Array | Uint32Array)[],
): Record<string, HostTensor> {
  return Object.fromEntries(
    named.map(({ path, shape }, index) => [path, { shape: [...shape], data: values[index] as Float32Array }]),
  );
}
