import { createProgram } from '../kernel/program.js';
import type { Recorder } from '../kernel/recorder.js';
import { createTensor, disposeTensor, readTensors, type Tensor } from '../kernel/tensor.js';
import { elementCount, type HostTensor } from '../shape.js';
import type { SeededOptions } from './compile-options.js';
import type { NetworkDescription } from './description.js';
import { lossScale, recordUnscaled } from './loss-scale.js';
import { partParameters } from './part.js';
import { recordCopy, recordGradients } from './programs.js';
import type { Learning } from './record.js';
import type { Station } from './station.js';
import type { Stations } from './stations.js';
import {
  combined,
  type LayerStatistics,
  recordStatistics,
  statisticsOf,
  statisticsShape,
  watched,
} from './statistics.js';
import { readShared } from './stored-values.js';

/** A program for a single inspection of a network, and the tensors to read afterwards. */
interface Look<Results> {
  readonly results: Results;
  readonly program: ReturnType<typeof createProgram>;
  dispose(): void;
}

/** Inspects a step without taking it: its gradients, and statistics of each layer. */
export class Inspection {
  readonly #description: NetworkDescription;
  readonly #stations: Stations;
  readonly #options: SeededOptions;

  constructor(description: NetworkDescription, stations: Stations, options: SeededOptions) {
    this.#description = description;
    this.#stations = stations;
    this.#options = options;
  }

  /** The gradients of the mean loss over the current batch, by path. */
  gradients(step: number): Promise<Record<string, HostTensor>> {
    const learned = this.#description.layers.flatMap(({ parameters }) => parameters);
    return this.#look('gradients', { step, imagesBefore: 0 }, gradientsOf, (looks) =>
      readShared(this.#stations, learned, (_, index) => looks[index]!.results),
    );
  }

  /** Statistics of each layer's output, its parameters and their gradients. */
  statistics(step: number, imagesBefore: number): Promise<LayerStatistics[]> {
    return this.#look('statistics', { step, imagesBefore }, statisticsOfStation, async (looks) => {
      const seen = await this.#stations.together(
        'statistics',
        looks.map(async ({ results }, index) => {
          const tensors = [...results.values()].map(({ tensor }) => tensor);
          const values = await readTensors(this.#stations.all[index]!.gpu, tensors);
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
      // The output of a layer that is fused into the one below is the output of that one.
      let output = combined([], 0);
      return this.#description.layers.map(({ layer, parameters, outputShape }) => {
        const elements = this.#options.batch * elementCount(outputShape);
        if (seen.some((own) => own.has(layer.name))) output = of(layer.name, elements);
        const own = parameters.map(({ name, path, shape }) => {
          const [value, gradient] = [path, `${path}/gradient`].map((it) => of(it, elementCount(shape)));
          return [name, { value: value!, gradient: gradient! }] as const;
        });
        return { layer: layer.name, output, parameters: Object.fromEntries(own) };
      });
    });
  }

  /** Creates a program for each adapter, runs them, has their results read, and frees everything. */
  async #look<Results, Result>(
    what: string,
    scalars: { readonly step: number; readonly imagesBefore: number },
    make: (station: Station, options: SeededOptions, end: Parameters<typeof createProgram>[2]) => Look<Results>,
    read: (looks: readonly Look<Results>[]) => Promise<Result>,
  ): Promise<Result> {
    const { exchange } = this.#stations;
    const looks = this.#stations.all.map((station, self) =>
      make(station, this.#options, exchange && { exchange, self }),
    );
    try {
      const programs = looks.map(({ program }) => program);
      await this.#stations.run(programs, { seed: this.#options.seed, ...scalars }, what).done;
      return await read(looks);
    } finally {
      for (const look of looks) look.dispose();
    }
  }
}

function gradientsOf(
  { gpu, part, tensors }: Station,
  options: SeededOptions,
  end: Parameters<typeof createProgram>[2],
): Look<ReadonlyMap<string, Tensor>> {
  const results = new Map(
    partParameters(part).map(({ path, shape }) => [path, createTensor(gpu, `${path} gradient`, shape)]),
  );
  const program = createProgram(
    gpu,
    (recorder) => {
      const scale = tensors.state.get(lossScale.name);
      const learn: Learning['learn'] = (path, gradient) => {
        if (scale) recordUnscaled(recorder, gradient, scale, results.get(path)!);
        else recordCopy(recorder, gradient, results.get(path)!);
      };
      recordGradients(recorder, part, options, tensors, { learn });
    },
    end,
  );
  const dispose = () => {
    program.dispose();
    for (const tensor of results.values()) disposeTensor(gpu, tensor);
  };
  return { results, program, dispose };
}

function statisticsOfStation(
  { gpu, part, tensors }: Station,
  options: SeededOptions,
  end: Parameters<typeof createProgram>[2],
): Look<ReadonlyMap<string, { readonly tensor: Tensor; readonly elements: number }>> {
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
      const learn: Learning['learn'] = (path, gradient) => {
        const unscaled = scale ? recorder.tensor(`${path}/unscaled`, gradient.shape) : gradient;
        if (scale) recordUnscaled(recorder, gradient, scale, unscaled);
        measure(recorder, `${path}/gradient`, unscaled);
      };
      recordGradients(recorder, seen, options, tensors, { learn });
      for (const [path, parameter] of tensors.parameters) measure(recorder, path, parameter);
    },
    end,
  );
  const dispose = () => {
    program.dispose();
    for (const { tensor } of results.values()) disposeTensor(gpu, tensor);
  };
  return { results, program, dispose };
}
