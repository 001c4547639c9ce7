import { CheckpointError, ConfigError } from '../errors.js';
import type { DispatchTiming, Program } from '../kernel/program.js';
import { type Tensor, writeTensor } from '../kernel/tensor.js';
import { checkOptions } from '../option-checks.js';
import { elementCount, type HostTensor } from '../shape.js';
import { BatchInput } from './batch-input.js';
import type { SeededOptions } from './compile-options.js';
import { type NetworkDescription, type NetworkTable, withExchange } from './description.js';
import { type Evaluated, Evaluator } from './evaluator.js';
import { Features } from './features.js';
import { InitialParameters } from './initial-parameters.js';
import { Inspection } from './inspection.js';
import { lossScale } from './loss-scale.js';
import { memoryPlan, memoryTogether } from './memory.js';
import type {
  Evaluation,
  MemoryPlan,
  Network,
  NetworkInput,
  StepOptions,
  StepResult,
  StepUnderWay,
} from './network.js';
import type { LearnedParameter } from './optimizer.js';
import { imagesOfLowerRanks } from './programs.js';
import type { PlacedPart, Station } from './station.js';
import { Stations } from './stations.js';
import type { LayerStatistics } from './statistics.js';
import { StepsUnderWay } from './steps-under-way.js';
import { StoredValues, stateNames } from './stored-values.js';
import { Turns } from './turns.js';

/** A network on its adapters: runs operations one at a time, on top of {@link Stations}. */
export class CompiledNetwork implements Network {
  readonly batch: number;
  readonly microBatches: number;
  readonly learningRate: number;
  readonly input: Tensor;
  readonly inputs: readonly NetworkInput[];
  stepCount = 0;
  readonly #options: SeededOptions;
  readonly #learned: readonly LearnedParameter[];
  readonly #parameters: StoredValues;
  readonly #initial: InitialParameters;
  /** The optimizer's state: per parameter, and other values. */
  readonly #state: StoredValues;
  readonly #layerState: StoredValues;
  readonly #turns: Turns;
  readonly #stations: Stations;
  readonly #batchInput: BatchInput;
  readonly #inspection: Inspection;
  readonly #features: Features;
  /** The index of the step's next micro-batch. */
  #microBatch = 0;
  readonly #steps: StepsUnderWay;
  readonly #evaluator: Evaluator;

  constructor(
    readonly description: NetworkDescription,
    placed: readonly PlacedPart[],
    options: SeededOptions,
  ) {
    const { batch, optimizer, microBatches = 1 } = options;
    const { name } = description;
    this.#options = options;
    this.batch = batch;
    this.microBatches = microBatches;
    this.learningRate = optimizer.learningRate;
    this.#learned = description.layers.flatMap(({ parameters }) => parameters);
    optimizer.scalars(optimizer.learningRate, this.#learned);
    this.#turns = new Turns(name);
    const stations = new Stations(description, placed, options, this.#turns);
    const { first } = stations;
    this.#stations = stations;
    this.#parameters = new StoredValues(
      name,
      'parameter',
      this.#learned,
      stations,
      ({ tensors }) => tensors.parameters,
    );
    const kept = stateNames(this.#learned, first.tensors.state, optimizer);
    this.#state = new StoredValues(name, 'optimizer state', kept, stations, ({ tensors }) => tensors.state);
    this.#layerState = new StoredValues(
      name,
      'layer state',
      description.layers.flatMap(({ state }) => state),
      stations,
      ({ tensors }) => tensors.layerState,
    );
    this.#batchInput = new BatchInput(description, stations, batch);
    this.#inspection = new Inspection(description, stations, options);
    this.#features = stations.disposeAlong(new Features(description, stations, options));
    this.inputs = stations.all.map(({ gpu, part, tensors }) => ({
      gpu,
      tensor: tensors.input,
      firstImage: part.images.first,
    }));
    this.input = this.inputs[0]!.tensor;
    this.#initial = new InitialParameters(this.#learned, options.seed, (parameter, values) =>
      this.#parameters.write(parameter, values),
    );
    this.#writeInitialState();
    this.#steps = stations.disposeAlong(new StepsUnderWay(first.gpu, first.tensors.measures, batch));
    this.#evaluator = new Evaluator(stations, options, description.output);
  }

  forward(images: HostTensor | Tensor): Promise<HostTensor> {
    return this.#turns.take(async () => (await this.#evaluate(this.#batchInput.fill(images, undefined))).output);
  }

  features(images: HostTensor | Tensor, layer: string): Promise<HostTensor> {
    return this.#turns.take(async () => {
      this.#features.check(layer);
      const count = this.#batchInput.fill(images, undefined);
      this.#initial.draw();
      return this.#features.of(layer, count, this.stepCount);
    });
  }

  evaluate(images: HostTensor | Tensor, labels: ArrayLike<number>): Promise<Evaluation> {
    return this.#turns.take(async () => {
      const count = this.#batchInput.fillLabelled(images, labels);
      return (await this.#evaluate(count)).evaluation;
    });
  }

  submitStep(images: HostTensor | Tensor, labels: ArrayLike<number>, options: StepOptions = {}): Promise<StepUnderWay> {
    return this.#turns.take(async () => {
      checkOptions(`${this.description.name}: step`, options, ['learningRate', 'learningRates']);
      const programs = this.#trainingPrograms();
      const updates = this.#updatesAfterThis();
      const what = `step ${this.stepCount}`;
      this.#initial.draw();
      const onTheirWay = updates.length > 0 ? this.#stations.beginSums() : undefined;
      const step = await this.#steps.submit(async (afterwards) => {
        this.#batchInput.fillLabelled(images, labels, this.batch);
        const scalars = this.#trainingScalars(options);
        const run = this.#stations.run(programs, scalars, what, afterwards);
        const done =
          updates.length > 0 ? run.done.then(() => this.#stations.run(updates, scalars, what).done) : run.done;
        // Adapters that wait for each other get a step in several pieces. When all have the first piece, images and
        // labels may be overwritten; the next operation waits for the last piece.
        const inPieces = this.#stations.exchange !== undefined;
        this.#turns.handOver(done, inPieces);
        await (inPieces ? run.begun : done);
        // The next operation of the ranks must come after the step's sums on all of them.
        if (onTheirWay) await this.#stations.together(what, [onTheirWay]);
        return { handover: done };
      });
      this.#endMicroBatch();
      return { result: async () => (await this.#stations.together(what, [step.result()]))[0]! };
    });
  }

  async step(images: HostTensor | Tensor, labels: ArrayLike<number>, options: StepOptions = {}): Promise<StepResult> {
    const step = await this.submitStep(images, labels, options);
    return step.result();
  }

  profile(images: HostTensor | Tensor, labels: ArrayLike<number>): Promise<DispatchTiming[]> {
    return this.#turns.take(async () => {
      const programs = this.#trainingPrograms();
      this.#batchInput.fillLabelled(images, labels, this.batch);
      this.#initial.draw();
      const scalars = this.#trainingScalars({});
      const updates = this.#updatesAfterThis();
      if (updates.length > 0) this.#stations.beginSums();
      const timings = await this.#stations.together(
        `step ${this.stepCount}`,
        programs.map(async (program, index) => [
          ...(await program.profile(scalars)),
          ...((await updates[index]?.profile(scalars)) ?? []),
        ]),
      );
      this.#endMicroBatch();
      if (!this.#stations.exchange) return timings.flat();
      return timings.flatMap((own, adapter) => own.map((timing) => ({ ...timing, adapter })));
    });
  }

  gradients(images: HostTensor | Tensor, labels: ArrayLike<number>): Promise<Record<string, HostTensor>> {
    return this.#turns.take(async () => {
      this.#batchInput.fillLabelled(images, labels, this.batch);
      this.#initial.draw();
      return this.#inspection.gradients(this.stepCount);
    });
  }

  statistics(images: HostTensor | Tensor, labels: ArrayLike<number>): Promise<LayerStatistics[]> {
    return this.#turns.take(async () => {
      this.#batchInput.fillLabelled(images, labels, this.batch);
      this.#initial.draw();
      return this.#inspection.statistics(this.stepCount, this.#imagesBefore);
    });
  }

  parameters(names?: readonly string[]): Promise<Record<string, HostTensor>> {
    const unknown = names?.find((name) => !this.#learned.some(({ path }) => path === name));
    if (unknown !== undefined) {
      const there = this.#learned.map(({ path }) => path).join(', ');
      throw new ConfigError(`${this.description.name}: has no parameter called ${unknown}; it has ${there}`);
    }
    const wanted = names && this.#learned.filter(({ path }) => names.includes(path));
    return this.#turns.take(() => {
      this.#initial.draw(names);
      return this.#parameters.read(wanted);
    });
  }

  loadParameters(parameters: Readonly<Record<string, HostTensor>>): void {
    this.#turns.refuseWhileHanding();
    if (typeof parameters !== 'object' || parameters === null) {
      throw new ConfigError(`${this.description.name}: parameters must be a list of names, got ${String(parameters)}`);
    }
    const isState = ([path]: readonly [string, HostTensor]) =>
      this.#layerState.names.some((state) => state.path === path);
    const entries = Object.entries(parameters);
    const state = Object.fromEntries(entries.filter(isState));
    const given = Object.fromEntries(entries.filter((entry) => !isState(entry)));
    this.#parameters.check(given);
    if (Object.keys(state).length > 0) this.#layerState.load(state);
    this.#parameters.load(given);
    this.#initial.replaced();
  }

  layerState(): Promise<Record<string, HostTensor>> {
    return this.#turns.take(() => this.#layerState.read());
  }

  optimizerState(): Promise<Record<string, HostTensor>> {
    return this.#turns.take(() => this.#state.read());
  }

  loadState(state: Parameters<Network['loadState']>[0]): void {
    this.#turns.refuseWhileHanding();
    if (!Number.isInteger(state.step) || state.step < 0) {
      throw new CheckpointError(`the step must be a whole number of at least 0, got ${state.step}`);
    }
    const { layerState = {} } = state;
    this.#layerState.check(layerState);
    this.#state.load(state.optimizerState);
    this.#layerState.load(layerState);
    this.stepCount = state.step;
    this.#microBatch = 0;
  }

  table(): NetworkTable {
    const table = this.description.table();
    if (!this.#stations.exchange) return table;
    return withExchange(
      table,
      this.#stations.all.flatMap(({ programs }) => (programs.train ?? programs.evaluate).sent),
    );
  }

  memory(): MemoryPlan {
    const planOf = ({ tensors, programs }: Station, index: number) =>
      memoryPlan(tensors, programs.evaluate, this.#features.bytesOn(index));
    return memoryTogether(this.#stations.all.map(planOf));
  }

  dispose(): void {
    this.#stations.stop(new ConfigError(`${this.description.name}: this network was disposed`));
  }

  /** Cheap values are written immediately; parameters are initialized when they are needed. */
  #writeInitialState(): void {
    for (const { path, shape, initial } of this.description.layers.flatMap(({ state }) => state)) {
      this.#layerState.write({ path, shape }, new Float32Array(elementCount(shape)).fill(initial));
    }
    for (const { gpu, tensors } of this.#stations.all) {
      const scale = tensors.state.get(lossScale.name);
      if (scale) writeTensor(gpu, scale, lossScale.initial);
    }
  }

  #trainingPrograms(): Program[] {
    const isLast = this.#microBatch === this.microBatches - 1;
    return this.#stations.all.map(({ programs: { train, lastBatch } }) => {
      if (!train)
        throw new ConfigError(`${this.description.name}: created with training: false, so it cannot be trained`);
      return (isLast && lastBatch) || train;
    });
  }

  #trainingScalars(options: StepOptions): Record<string, number> {
    const { optimizer, seed } = this.#options;
    const learningRate = options.learningRate ?? optimizer.learningRate;
    const rates = optimizer.scalars(learningRate, this.#learned, options.learningRates, this.stepCount);
    return { seed, step: this.stepCount, imagesBefore: this.#imagesBefore, ...rates };
  }

  /** The programs that update the parameters after the last micro-batch of a step, if a step has several. */
  #updatesAfterThis(): Program[] {
    if (this.#microBatch < this.microBatches - 1) return [];
    return this.#stations.all.flatMap(({ programs }) => programs.update ?? []);
  }

  #endMicroBatch(): void {
    this.#microBatch = (this.#microBatch + 1) % this.microBatches;
    if (this.#microBatch === 0) this.stepCount++;
  }

  /** The number of images of the same step in earlier micro-batches and in lower ranks. */
  get #imagesBefore(): number {
    return imagesOfLowerRanks(this.#options) + this.#microBatch * this.batch;
  }

  async #evaluate(count: number): Promise<Evaluated> {
    this.#initial.draw();
    return this.#evaluator.evaluate(count, this.stepCount);
  }
}
