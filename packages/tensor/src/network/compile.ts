import type { Gpu } from '../adapter/gpu.js';
import type { GPUCommandEncoder } from '../adapter/webgpu.js';
import { CheckpointError, ConfigError, ShapeError } from '../errors.js';
import { Exchange } from '../kernel/exchange.js';
import { createProgram, type DispatchTiming, type Program, planPrograms } from '../kernel/program.js';
import type { Recorder } from '../kernel/recorder.js';
import {
  createReadback,
  createTensor,
  describeTensor,
  disposeTensor,
  type Readback,
  readTensors,
  type Tensor,
  type Values,
  writeTensor,
} from '../kernel/tensor.js';
import { type TuneOptions, type TuningReport, tune } from '../kernel/tuner.js';
import { checkHostTensor, elementCount, formatShape, type HostTensor } from '../shape.js';
import { type NetworkDescription, type NetworkTable, withExchange } from './description.js';
import { explainFailure } from './failure.js';
import { initialValues } from './initialize.js';
import { fromMemoryLayout } from './layout.js';
import { lossScale, recordUnscaled } from './loss-scale.js';
import type {
  Evaluation,
  MemoryPlan,
  Network,
  NetworkInput,
  StepOptions,
  StepResult,
  StepUnderWay,
} from './network.js';
import type { LearnedParameter, Optimizer } from './optimizer.js';
import { type NetworkPart, partParameters, putSlice, sliceOf, wholePart } from './part.js';
import {
  memoryPlan,
  networkTensors,
  type ProgramOptions,
  precisions,
  recordCopy,
  recordGradients,
} from './programs.js';
import { type Named, type PlacedPart, programsOf, Station } from './station.js';
import {
  combined,
  type LayerStatistics,
  recordStatistics,
  statisticsOf,
  statisticsShape,
  watched,
} from './statistics.js';
import { StepsUnderWay } from './steps-under-way.js';

export interface CompileOptions extends ProgramOptions {
  /** Decides initial parameters and every random choice of the layers; 0 where it is left out. */
  readonly seed?: number;
}

/** Fits a described network to one adapter: gives it memory, compiles its programs, draws its parameters. */
export function compileNetwork(description: NetworkDescription, gpu: Gpu, options: CompileOptions): Network {
  return compileParts(description, [{ gpu, part: wholePart(description, options.batch) }], options);
}

/** Fits the parts of a described network to their adapters, by their numbers. */
export function compileParts(
  description: NetworkDescription,
  parts: readonly PlacedPart[],
  options: CompileOptions,
): Network {
  const { seed = 0 } = options;
  for (const { gpu } of parts) checkOptions(description, gpu, options);
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw new ConfigError(`${description.name}: seed must be a whole number from 0 to ${0xffffffff}, got ${seed}`);
  }
  const make = () => new CompiledNetwork(description, parts, { ...options, seed });
  return parts.reduce<() => Network>(
    (rest, { gpu }) =>
      () =>
        gpu.allOrNothing(rest),
    make,
  )();
}

/** How much memory a part of a network would take on its adapter, without taking any: all of it where no part is given. */
export function planNetwork(
  description: NetworkDescription,
  gpu: Gpu,
  options: ProgramOptions,
  part: NetworkPart = wholePart(description, options.batch),
): MemoryPlan {
  checkOptions(description, gpu, options);
  const tensors = networkTensors(description, part, options, describeTensor);
  return memoryPlan(tensors, planPrograms(gpu, Object.values(programsOf(part, options, tensors))));
}

/** How {@link tuneNetwork} tunes a network: as it will be compiled, and as `tune` is told. */
export type TuneNetworkOptions = CompileOptions & TuneOptions;

/**
 * Finds the fastest kernels for a network, or a part of it, on an adapter before it is made: what {@link compileNetwork}
 * compiles for the adapter afterwards, with the same options, is made of them.
 *
 * @throws as compileNetwork does, and AdapterError where the adapter is lost
 */
export async function tuneNetwork(
  description: NetworkDescription,
  gpu: Gpu,
  options: TuneNetworkOptions,
  part: NetworkPart = wholePart(description, options.batch),
): Promise<TuningReport> {
  checkOptions(description, gpu, options);
  const tensors = networkTensors(description, part, options, describeTensor);
  const records = Object.values(programsOf(part, options, tensors));
  return tune(
    gpu,
    (recorder) => {
      for (const record of records) record(recorder);
    },
    options,
  );
}

function checkOptions(description: NetworkDescription, gpu: Gpu, options: ProgramOptions): void {
  const { batch, precision = 'float32', microBatches = 1 } = options;
  if (!Number.isInteger(batch) || batch < 1) {
    throw new ConfigError(`${description.name}: batch must be a whole number of at least 1, got ${batch}`);
  }
  if (!Number.isInteger(microBatches) || microBatches < 1) {
    throw new ConfigError(
      `${description.name}: microBatches must be a whole number of at least 1, got ${microBatches}`,
    );
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

class CompiledNetwork implements Network {
  readonly batch: number;
  readonly microBatches: number;
  readonly input: Tensor;
  readonly inputs: readonly NetworkInput[];
  stepCount = 0;
  readonly #options: CompileOptions & { seed: number };
  readonly #learned: readonly LearnedParameter[];
  /** What is kept of each parameter from step to step, and what else is. */
  readonly #state: readonly Named[];
  readonly #stations: readonly Station[];
  /** Of the adapter that results are read from: those of all are the same. */
  readonly #first: Station;
  readonly #exchange: Exchange | undefined;
  /** The number of the step's micro-batch that comes next. */
  #microBatch = 0;
  readonly #steps: StepsUnderWay;
  readonly #readEvaluation: Readback;
  readonly #stagedLabels: Uint32Array;
  #queue: Promise<unknown> = Promise.resolve();
  /** Ends when all that an operation left to be handed to the adapters is handed over. */
  #handover: Promise<unknown> = Promise.resolve();
  #handing = false;
  /** Why every call is refused. */
  #end: Error | undefined;

  constructor(
    readonly description: NetworkDescription,
    placed: readonly PlacedPart[],
    options: CompileOptions & { seed: number },
  ) {
    const { batch, optimizer, microBatches = 1 } = options;
    this.#options = options;
    this.batch = batch;
    this.microBatches = microBatches;
    this.#stagedLabels = new Uint32Array(batch);
    this.#learned = description.layers.flatMap(({ parameters }) => parameters);
    optimizer.scalars(optimizer.learningRate, this.#learned);
    const exchange = placed.length > 1 ? new Exchange(placed.map(({ gpu }) => gpu)) : undefined;
    this.#exchange = exchange;
    this.#stations = placed.map(
      (part, self) => new Station(description, part, options, exchange && { exchange, self }),
    );
    this.#first = this.#stations[0]!;
    this.#state = stateNames(this.#learned, this.#first.tensors.state, optimizer);
    this.inputs = this.#stations.map(({ gpu, part, tensors }) => ({
      gpu,
      tensor: tensors.input,
      firstImage: part.images.first,
    }));
    this.input = this.inputs[0]!.tensor;
    this.#drawParameters();
    const { measures, output, probabilities } = this.#first.tensors;
    this.#steps = new StepsUnderWay(this.#first.gpu, measures, batch);
    this.#readEvaluation = createReadback(this.#first.gpu, [measures, output, probabilities]);
  }

  forward(images: HostTensor | Tensor): Promise<HostTensor> {
    return this.#inTurn(async () => {
      const { output } = await this.#evaluate(images);
      return output;
    });
  }

  evaluate(images: HostTensor | Tensor, labels: ArrayLike<number>): Promise<Evaluation> {
    return this.#inTurn(async () => (await this.#evaluate(images, labels)).evaluation);
  }

  submitStep(images: HostTensor | Tensor, labels: ArrayLike<number>, options: StepOptions = {}): Promise<StepUnderWay> {
    return this.#inTurn(async () => {
      const programs = this.#trainingPrograms();
      const updates = this.#updatesAfterThis();
      const what = `step ${this.stepCount}`;
      const step = await this.#steps.submit(async (afterwards) => {
        this.#fill(images, labels, this.batch);
        const scalars = this.#trainingScalars(options);
        const run = this.#run(programs, scalars, what, afterwards);
        const done = updates.length > 0 ? run.done.then(() => this.#run(updates, scalars, what).done) : run.done;
        // Adapters that wait for each other are handed a step piece by piece. When all have the first one, images and
        // labels may be overwritten; whoever comes next waits for the last.
        this.#handing = this.#exchange !== undefined;
        this.#handover = done
          .catch(() => undefined)
          .then(() => {
            this.#handing = false;
          });
        await (this.#exchange ? run.begun : done);
        return { handover: done };
      });
      this.#endMicroBatch();
      return { result: async () => (await this.#together(what, [step.result()]))[0]! };
    });
  }

  async step(images: HostTensor | Tensor, labels: ArrayLike<number>, options: StepOptions = {}): Promise<StepResult> {
    const step = await this.submitStep(images, labels, options);
    return step.result();
  }

  profile(images: HostTensor | Tensor, labels: ArrayLike<number>): Promise<DispatchTiming[]> {
    return this.#inTurn(async () => {
      const programs = this.#trainingPrograms();
      this.#fill(images, labels, this.batch);
      const scalars = this.#trainingScalars({});
      const updates = this.#updatesAfterThis();
      const timings = await this.#together(
        `step ${this.stepCount}`,
        programs.map(async (program, index) => [
          ...(await program.profile(scalars)),
          ...((await updates[index]?.profile(scalars)) ?? []),
        ]),
      );
      this.#endMicroBatch();
      if (!this.#exchange) return timings.flat();
      return timings.flatMap((own, adapter) => own.map((timing) => ({ ...timing, adapter })));
    });
  }

  gradients(images: HostTensor | Tensor, labels: ArrayLike<number>): Promise<Record<string, HostTensor>> {
    return this.#inTurn(async () => {
      this.#fill(images, labels, this.batch);
      const made = this.#stations.map((station, self) => this.#gradientProgram(station, self));
      try {
        await this.#run(
          made.map(({ program }) => program),
          { seed: this.#options.seed, step: this.stepCount, imagesBefore: 0 },
          'gradients',
        ).done;
        return await this.#read(this.#learned, (_, index) => made[index]!.gradients);
      } finally {
        for (const { dispose } of made) dispose();
      }
    });
  }

  statistics(images: HostTensor | Tensor, labels: ArrayLike<number>): Promise<LayerStatistics[]> {
    return this.#inTurn(async () => {
      this.#fill(images, labels, this.batch);
      const made = this.#stations.map((station, self) => this.#statisticsProgram(station, self));
      try {
        await this.#run(
          made.map(({ program }) => program),
          { seed: this.#options.seed, step: this.stepCount, imagesBefore: this.#imagesBefore },
          'statistics',
        ).done;
        const seen = await this.#together(
          'statistics',
          made.map(async ({ results }, index) => {
            const tensors = [...results.values()].map(({ tensor }) => tensor);
            const values = await readTensors(this.#stations[index]!.gpu, tensors);
            return new Map(
              [...results].map(([name, { elements }], at) => [name, { ...statisticsOf(values[at]!), elements }]),
            );
          }),
        );
        const of = (name: string, elements: number) =>
          combined(
            seen.flatMap((own) => own.get(name) ?? []),
            elements,
          );
        // A layer that the one below did in its stead gives what that one gave.
        let output = combined([], 0);
        return this.description.layers.map(({ layer, parameters, outputShape }) => {
          const elements = this.batch * elementCount(outputShape);
          if (seen.some((own) => own.has(layer.name))) output = of(layer.name, elements);
          const own = parameters.map(({ name, path, shape }) => {
            const [value, gradient] = [path, `${path}/gradient`].map((it) => of(it, elementCount(shape)));
            return [name, { value: value!, gradient: gradient! }] as const;
          });
          return { layer: layer.name, output, parameters: Object.fromEntries(own) };
        });
      } finally {
        for (const { dispose } of made) dispose();
      }
    });
  }

  parameters(names?: readonly string[]): Promise<Record<string, HostTensor>> {
    const wanted = names ? this.#learned.filter(({ path }) => names.includes(path)) : this.#learned;
    return this.#inTurn(() => this.#read(wanted, ({ tensors }) => tensors.parameters));
  }

  loadParameters(parameters: Readonly<Record<string, HostTensor>>): void {
    this.#refuseWhileHanding();
    this.#load('parameter', this.#learned, ({ tensors }) => tensors.parameters, parameters);
  }

  optimizerState(): Promise<Record<string, HostTensor>> {
    return this.#inTurn(() => this.#read(this.#state, ({ tensors }) => tensors.state));
  }

  loadState(state: { step: number; optimizerState: Readonly<Record<string, HostTensor>> }): void {
    this.#refuseWhileHanding();
    if (!Number.isInteger(state.step) || state.step < 0) {
      throw new CheckpointError(`the step must be a whole number of at least 0, got ${state.step}`);
    }
    this.#load('optimizer state', this.#state, ({ tensors }) => tensors.state, state.optimizerState);
    this.stepCount = state.step;
    this.#microBatch = 0;
  }

  table(): NetworkTable {
    const table = this.description.table();
    if (!this.#exchange) return table;
    return withExchange(
      table,
      this.#stations.flatMap(({ programs }) => (programs.train ?? programs.evaluate).sent),
    );
  }

  memory(): MemoryPlan {
    const plans = this.#stations.map(({ tensors, programs }) => memoryPlan(tensors, programs.evaluate));
    const sum = (pick: (plan: MemoryPlan) => number) => plans.reduce((total, plan) => total + pick(plan), 0);
    return {
      parameterBytes: sum((plan) => plan.parameterBytes),
      stateBytes: sum((plan) => plan.stateBytes),
      activationBytes: sum((plan) => plan.activationBytes),
      leastActivationBytes: sum((plan) => plan.leastActivationBytes),
      exchangeBytes: sum((plan) => plan.exchangeBytes),
      largestBufferBytes: Math.max(...plans.map((plan) => plan.largestBufferBytes)),
      totalBytes: sum((plan) => plan.totalBytes),
      ...(plans.length > 1 && { adapters: plans }),
    };
  }

  dispose(): void {
    this.#stop(new ConfigError(`${this.description.name}: this network was disposed`));
  }

  #stop(reason: Error): void {
    if (this.#end) return;
    this.#end = reason;
    this.#exchange?.fail(reason);
    this.#exchange?.dispose();
    this.#steps.dispose();
    this.#readEvaluation.dispose();
    for (const station of this.#stations) station.dispose();
  }

  #refuseAfterEnd(): void {
    if (this.#end) throw this.#end;
  }

  /** What is written at once would lie between the pieces of a step. */
  #refuseWhileHanding(): void {
    this.#refuseAfterEnd();
    if (this.#handing) {
      throw new ConfigError(
        `${this.description.name}: a step is under way on several adapters; wait for its result first`,
      );
    }
  }

  /** One operation at a time: they share the input, the labels and the results. */
  #inTurn<Result>(operation: () => Promise<Result>): Promise<Result> {
    if (this.#end) return Promise.reject(this.#end);
    const result = this.#queue
      .then(() => this.#handover)
      .then(() => {
        this.#refuseAfterEnd();
        return operation();
      });
    this.#queue = result.catch(() => undefined);
    return result;
  }

  /** Runs a program on each adapter: `begun` when all have their first piece of work, `done` when all have the last. */
  #run(
    programs: readonly Program[],
    scalars: Readonly<Record<string, number>>,
    what: string,
    afterwards?: (encoder: GPUCommandEncoder) => void,
  ): { readonly begun: Promise<unknown>; readonly done: Promise<unknown> } {
    const begins: Promise<void>[] = [];
    const runs = programs.map(async (program, index) => {
      let begun!: () => void;
      begins.push(new Promise((resolve) => (begun = resolve)));
      this.#stations[index]!.gpu.check();
      await program.run(scalars, { begun, ...(index === 0 && afterwards && { afterwards }) });
    });
    const done = this.#together(what, runs);
    // Where one fails, it may never begin.
    const begun = Promise.race([Promise.all(begins), done]);
    // Who waits for either hears of a failure; nobody may wait for the other.
    for (const promise of [begun, done]) promise.catch(() => undefined);
    return { begun, done };
  }

  /** Waits for what several adapters do together. Where one fails, all stop for good, since they have gone apart. */
  async #together<Result>(what: string, work: readonly Promise<Result>[]): Promise<Result[]> {
    if (!this.#exchange) return Promise.all(work);
    try {
      return await Promise.all(work);
    } catch (error) {
      if (this.#end) throw this.#end;
      const failure = await explainFailure(
        `${this.description.name}, ${what}`,
        this.#stations.map(({ gpu }) => gpu),
        error,
      );
      this.#stop(failure);
      await Promise.allSettled(work);
      throw failure;
    }
  }

  #drawParameters(): void {
    for (const parameter of this.#learned) {
      const values = initialValues(parameter, this.#options.seed);
      this.#write(parameter, values, ({ tensors }) => tensors.parameters);
    }
    for (const { gpu, tensors } of this.#stations) {
      const scale = tensors.state.get(lossScale.name);
      if (scale) writeTensor(gpu, scale, lossScale.initial);
    }
  }

  #gradientProgram({ gpu, part, tensors }: Station, self: number) {
    const exchange = this.#exchange;
    const gradients = new Map(
      partParameters(part).map(({ path, shape }) => [path, createTensor(gpu, `${path} gradient`, shape)]),
    );
    const program = createProgram(
      gpu,
      (recorder) => {
        const scale = tensors.state.get(lossScale.name);
        recordGradients(recorder, part, this.#options, tensors, (path, gradient) => {
          if (scale) recordUnscaled(recorder, gradient, scale, gradients.get(path)!);
          else recordCopy(recorder, gradient, gradients.get(path)!);
        });
      },
      exchange && { exchange, self },
    );
    const dispose = () => {
      program.dispose();
      for (const tensor of gradients.values()) disposeTensor(gpu, tensor);
    };
    return { gradients, program, dispose };
  }

  #statisticsProgram({ gpu, part, tensors }: Station, self: number) {
    const exchange = this.#exchange;
    const results = new Map<string, { readonly tensor: Tensor; readonly elements: number }>();
    const measure = (recorder: Recorder, name: string, x: Tensor) => {
      const tensor = createTensor(gpu, name, statisticsShape);
      results.set(name, { tensor, elements: x.elements });
      recordStatistics(recorder, x, tensor);
    };
    const program = createProgram(
      gpu,
      (recorder) => {
        const seen = watched(part, (inner, { name }, output) => measure(inner, name, output));
        const scale = tensors.state.get(lossScale.name);
        recordGradients(recorder, seen, this.#options, tensors, (path, gradient) => {
          const unscaled = scale ? recorder.tensor(`${path}/unscaled`, gradient.shape) : gradient;
          if (scale) recordUnscaled(recorder, gradient, scale, unscaled);
          measure(recorder, `${path}/gradient`, unscaled);
        });
        for (const [path, parameter] of tensors.parameters) measure(recorder, path, parameter);
      },
      exchange && { exchange, self },
    );
    const dispose = () => {
      program.dispose();
      for (const { tensor } of results.values()) disposeTensor(gpu, tensor);
    };
    return { results, program, dispose };
  }

  #trainingPrograms(): Program[] {
    return this.#stations.map(({ programs }) => {
      if (!programs.train) {
        throw new ConfigError(`${this.description.name}: made with training: false, so it cannot learn`);
      }
      return programs.train;
    });
  }

  #trainingScalars(options: StepOptions): Record<string, number> {
    const { optimizer, seed } = this.#options;
    const learningRate = options.learningRate ?? optimizer.learningRate;
    const rates = optimizer.scalars(learningRate, this.#learned, options.learningRates);
    return { seed, step: this.stepCount, imagesBefore: this.#imagesBefore, ...rates };
  }

  /** What changes the parameters after the last micro-batch of a step, where a step has several. */
  #updatesAfterThis(): Program[] {
    if (this.#microBatch < this.microBatches - 1) return [];
    return this.#stations.flatMap(({ programs }) => programs.update ?? []);
  }

  #endMicroBatch(): void {
    this.#microBatch = (this.#microBatch + 1) % this.microBatches;
    if (this.#microBatch === 0) this.stepCount++;
  }

  /** Of the same step, in the micro-batches before the next one. */
  get #imagesBefore(): number {
    return this.#microBatch * this.batch;
  }

  async #evaluate(
    images: HostTensor | Tensor,
    labels?: ArrayLike<number>,
  ): Promise<{ output: HostTensor; evaluation: Evaluation }> {
    const count = this.#fill(images, labels);
    await this.#run(
      this.#stations.map(({ programs }) => programs.evaluate),
      { seed: this.#options.seed, step: this.stepCount },
      'evaluation',
    ).done;
    const [[measures, output, probabilities]] = (await this.#together('evaluation', [this.#readEvaluation.read()])) as [
      Values[],
    ];
    const shape = [count, ...this.description.output];
    const row = (index: number) =>
      Float32Array.from(measures!.subarray(index * this.batch, index * this.batch + count));
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

  /** Brings images and labels to the adapters; gives the number of images. */
  #fill(images: HostTensor | Tensor, labels: ArrayLike<number> | undefined, exactly?: number): number {
    const filled = images === this.input;
    const [count = 0, ...image] = filled ? [this.batch, ...this.description.input] : images.shape;
    const fits = image.length === 3 && image.every((size, axis) => size === this.description.input[axis]);
    if (!fits || count < 1 || count > this.batch || (exactly !== undefined && count !== exactly)) {
      const allowed = exactly === undefined ? `1 to ${this.batch}` : `${exactly}`;
      throw new ShapeError(
        `${this.description.name}: takes [${allowed}, ${this.description.input.join(', ')}] images, got ${formatShape(images.shape)}`,
      );
    }
    const checked = labels && this.#checkLabels(labels, count, images);
    if ('data' in images) checkHostTensor(`${this.description.name}: images`, images);
    else if (!filled) this.#checkPlace(images);
    for (const station of this.#stations) {
      if (checked) station.writeLabels(checked);
      if ('data' in images) station.writeImages(images);
      else if (!filled) station.copyImages(images);
    }
    return count;
  }

  #checkPlace(images: Tensor): void {
    const { name } = this.description;
    if (this.#exchange) {
      throw new ConfigError(
        `${name}: is on ${this.#stations.length} adapters, each with an input of its own; fill all of its inputs and ` +
          'give its input',
      );
    }
    if (images.shape[0] !== this.batch) {
      throw new ShapeError(`${name}: images on the adapter must be ${this.batch} images, got ${images.shape[0]}`);
    }
  }

  #checkLabels(labels: ArrayLike<number>, count: number, images: HostTensor | Tensor): Uint32Array {
    const classes = this.description.output[0]!;
    const onAdapter = !('data' in images);
    // Images that are on the adapter already fill the whole batch; the last of them may be left unlabelled.
    if (onAdapter ? labels.length > count || labels.length < 1 : labels.length !== count) {
      throw new ShapeError(`${this.description.name}: ${count} images need ${count} labels, got ${labels.length}`);
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

  /** Puts together what the adapters keep of some tensors. */
  async #read(
    names: readonly Named[],
    tensorsOf: (station: Station, index: number) => ReadonlyMap<string, Tensor>,
  ): Promise<Record<string, HostTensor>> {
    const named = (datas: readonly Float32Array[]) =>
      Object.fromEntries(names.map(({ path, shape }, index) => [path, { shape: [...shape], data: datas[index]! }]));
    const keptBy = (station: Station, index: number) => {
      const own = tensorsOf(station, index);
      return readTensors(
        station.gpu,
        names.map(({ path }) => own.get(path)!),
      ) as Promise<Float32Array[]>;
    };
    // One adapter has the whole of everything.
    if (!this.#exchange) return named(await keptBy(this.#stations[0]!, 0));
    const whole = names.map(({ shape }) => new Float32Array(elementCount(shape)));
    const read = async (station: Station, index: number) => {
      const values = await keptBy(station, index);
      for (const [at, data] of whole.entries()) putSlice(data, station.parameter(names[at]!), values[at]!);
    };
    await this.#together('reading', this.#stations.map(read));
    return named(whole);
  }

  /** Hands each adapter what it keeps of some values. */
  #write(named: Named, values: Float32Array, tensorsOf: (station: Station) => ReadonlyMap<string, Tensor>): void {
    for (const station of this.#stations) {
      writeTensor(station.gpu, tensorsOf(station).get(named.path)!, sliceOf(values, station.parameter(named)));
    }
  }

  #load(
    what: string,
    names: readonly Named[],
    tensorsOf: (station: Station) => ReadonlyMap<string, Tensor>,
    given: Readonly<Record<string, HostTensor>>,
  ): void {
    const { name } = this.description;
    const known = new Set(names.map(({ path }) => path));
    for (const path of Object.keys(given)) {
      if (!known.has(path)) throw new CheckpointError(`${name}: has no ${what} called ${path}`);
    }
    for (const { path, shape } of names) {
      const values = given[path];
      if (!values) throw new CheckpointError(`${name}: the ${what} ${path} is missing`);
      checkHostTensor(`${name}: ${path}`, values);
      if (formatShape(values.shape) !== formatShape(shape)) {
        throw new CheckpointError(
          `${name}: ${path} must have the shape ${formatShape(shape)}, got ${formatShape(values.shape)}`,
        );
      }
    }
    for (const named of names) this.#write(named, given[named.path]!.data, tensorsOf);
  }
}

/** What the optimizer keeps of each parameter, by the parameter that it is cut as; and what else there is. */
function stateNames(
  learned: readonly LearnedParameter[],
  state: ReadonlyMap<string, Tensor>,
  optimizer: Optimizer,
): Named[] {
  const ofParameters = learned.flatMap(({ path, shape }) =>
    optimizer.state.map((name) => ({ path: `${path}.${name}`, shape, ofParameter: path })),
  );
  const others = [lossScale].map(({ name, shape }) => ({ path: name, shape }));
  return [...ofParameters, ...others].filter(({ path }) => state.has(path));
}
