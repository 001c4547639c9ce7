import type { Gpu } from '../adapter/gpu.js';
import { CheckpointError, ConfigError, ShapeError } from '../errors.js';
import { createProgram, createPrograms, type DispatchTiming, type Program } from '../kernel/program.js';
import type { Recorder } from '../kernel/recorder.js';
import {
  bufferOf,
  createReadback,
  createTensor,
  disposeTensor,
  type Readback,
  readTensors,
  type Tensor,
  writeTensor,
} from '../kernel/tensor.js';
import { type TuneOptions, type TuningReport, tune } from '../kernel/tuner.js';
import { checkHostTensor, formatShape, type HostTensor } from '../shape.js';
import type { NetworkDescription, NetworkTable } from './description.js';
import { initialValues } from './initialize.js';
import { fromMemoryLayout, toMemoryLayout } from './layout.js';
import type { Loss } from './loss.js';
import type { Evaluation, MemoryPlan, Network, StepOptions, StepResult } from './network.js';
import type { LearnedParameter, Optimizer } from './optimizer.js';
import {
  type NetworkTensors,
  networkTensors,
  recordCopy,
  recordEvaluation,
  recordGradients,
  recordTraining,
} from './programs.js';

export interface CompileOptions {
  /** Images a step. */
  readonly batch: number;
  readonly loss: Loss;
  readonly optimizer: Optimizer;
  /** Decides initial parameters and every random choice of the layers; 0 where it is left out. */
  readonly seed?: number;
  /** False makes a network that can only be evaluated, and needs much less memory. */
  readonly training?: boolean;
}

/** Fits a described network to one adapter: gives it memory, compiles its programs, draws its parameters. */
export function compileNetwork(description: NetworkDescription, gpu: Gpu, options: CompileOptions): Network {
  const { seed = 0 } = options;
  checkOptions(description, options);
  return gpu.allOrNothing(() => new CompiledNetwork(description, gpu, { ...options, seed }));
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
  checkOptions(description, options);
  return tune(
    gpu,
    (recorder) => {
      // Nothing runs, so nothing needs memory.
      const tensors = networkTensors(description, options, (label, shape, dataType) =>
        recorder.tensor(label, shape, { dataType }),
      );
      if (options.training ?? true) recordTraining(recorder, description, options, tensors);
      recordEvaluation(recorder, description, options, tensors);
    },
    options,
  );
}

function checkOptions(description: NetworkDescription, { batch, seed = 0 }: CompileOptions): void {
  if (!Number.isInteger(batch) || batch < 1) {
    throw new ConfigError(`${description.name}: batch must be a whole number of at least 1, got ${batch}`);
  }
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw new ConfigError(`${description.name}: seed must be a whole number from 0 to ${0xffffffff}, got ${seed}`);
  }
  if (description.output.length !== 1) {
    throw new ShapeError(
      `${description.name}: the last layer must give one score a class, [N, classes]; it gives ` +
        `[N, ${description.output.join(', ')}]`,
    );
  }
}

type ProgramName = 'train' | 'evaluate';

class CompiledNetwork implements Network {
  readonly batch: number;
  stepCount = 0;
  readonly #gpu: Gpu;
  readonly #options: CompileOptions & { seed: number };
  readonly #learned: readonly LearnedParameter[];
  readonly #tensors: NetworkTensors;
  readonly #programs: Partial<Record<ProgramName, Program>>;
  readonly #readMeasures: Readback;
  readonly #readEvaluation: Readback;
  #queue: Promise<unknown> = Promise.resolve();
  #disposed = false;

  constructor(
    readonly description: NetworkDescription,
    gpu: Gpu,
    options: CompileOptions & { seed: number },
  ) {
    this.#gpu = gpu;
    this.#options = options;
    const { batch, optimizer, training = true } = options;
    this.batch = batch;
    this.#learned = description.layers.flatMap((layer) => layer.parameters);
    optimizer.scalars(optimizer.learningRate, this.#learned);
    this.#tensors = networkTensors(description, options, (label, shape, dataType) =>
      createTensor(gpu, label, shape, { dataType }),
    );
    for (const parameter of this.#learned) {
      writeTensor(gpu, this.#tensors.parameters.get(parameter.path)!, initialValues(parameter, options.seed));
    }
    const { measures, output, probabilities } = this.#tensors;
    const evaluate = (recorder: Recorder) => recordEvaluation(recorder, description, options, this.#tensors);
    const train = (recorder: Recorder) => recordTraining(recorder, description, options, this.#tensors);
    this.#programs = training ? createPrograms(gpu, { train, evaluate }) : createPrograms(gpu, { evaluate });
    this.#readMeasures = createReadback(gpu, [measures]);
    this.#readEvaluation = createReadback(gpu, [measures, output, probabilities]);
  }

  get input(): Tensor {
    return this.#tensors.input;
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

  step(pictures: HostTensor | Tensor, labels: ArrayLike<number>, options: StepOptions = {}): Promise<StepResult> {
    return this.#inTurn(async () => {
      const program = this.#trainingProgram();
      this.#fill(pictures, labels, this.batch);
      await program.run(this.#trainingScalars(options));
      const [measures] = await this.#readMeasures.read();
      this.stepCount++;
      const mean = (row: number) => {
        let sum = 0;
        for (let image = 0; image < this.batch; image++) sum += measures![row * this.batch + image]!;
        return sum / this.batch;
      };
      return { loss: mean(0), top1Error: mean(1), top5Error: mean(2) };
    });
  }

  profile(pictures: HostTensor | Tensor, labels: ArrayLike<number>): Promise<DispatchTiming[]> {
    return this.#inTurn(async () => {
      const program = this.#trainingProgram();
      this.#fill(pictures, labels, this.batch);
      const timings = await program.profile(this.#trainingScalars({}));
      this.stepCount++;
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
        recordGradients(recorder, this.description, this.#options, this.#tensors, (path, gradient) =>
          recordCopy(recorder, gradient, byPath.get(path)!),
        );
      });
      try {
        await program.run({ seed: this.#options.seed, step: this.stepCount });
        return hostTensors(this.#learned, await readTensors(gpu, gradients));
      } finally {
        program.dispose();
        for (const tensor of gradients) disposeTensor(gpu, tensor);
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
  }

  table(): NetworkTable {
    return this.description.table();
  }

  memory(): MemoryPlan {
    const bytes = (tensors: Iterable<Tensor>) => [...tensors].reduce((sum, tensor) => sum + tensor.elements * 4, 0);
    const program = this.#programs.evaluate!;
    return {
      parameterBytes: bytes(this.#tensors.parameters.values()),
      stateBytes: bytes(this.#tensors.state.values()),
      activityBytes: program.plannedBytes,
      leastActivityBytes: program.leastBytes,
    };
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const program of Object.values(this.#programs)) program.dispose();
    this.#readMeasures.dispose();
    this.#readEvaluation.dispose();
    const { parameters, state, ...own } = this.#tensors;
    for (const tensor of [...Object.values(own), ...parameters.values(), ...state.values()]) {
      disposeTensor(this.#gpu, tensor);
    }
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
    return { seed, step: this.stepCount, ...optimizer.scalars(learningRate, this.#learned) };
  }

  async #evaluate(
    pictures: HostTensor | Tensor,
    labels?: ArrayLike<number>,
  ): Promise<{ output: HostTensor; evaluation: Evaluation }> {
    const images = this.#fill(pictures, labels);
    await this.#programs.evaluate!.run({ seed: this.#options.seed, step: this.stepCount });
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
      writeTensor(this.#gpu, this.input, toMemoryLayout(pictures, this.batch));
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
    const checked = new Uint32Array(this.batch);
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
