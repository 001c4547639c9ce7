import { CheckpointError } from '../errors.js';
import { readTensors, type Tensor, writeTensor } from '../kernel/tensor.js';
import { checkHostTensor, elementCount, formatShape, type HostTensor } from '../shape.js';
import { lossScale } from './loss-scale.js';
import type { LearnedParameter, Optimizer } from './optimizer.js';
import { putSlice, sliceOf } from './part.js';
import type { Named, Station } from './station.js';
import type { Stations } from './stations.js';

/** Values of one kind that outlive a step. To callers they are whole, no matter how the adapters divide them. */
export class StoredValues {
  readonly names: readonly Named[];
  readonly #network: string;
  readonly #what: string;
  readonly #stations: Stations;
  readonly #tensorsOf: (station: Station) => ReadonlyMap<string, Tensor>;

  /**
   * @param network its name, for errors
   * @param what the term for such a value: `parameter`
   * @param tensorsOf the values of an adapter by path
   */
  constructor(
    network: string,
    what: string,
    names: readonly Named[],
    stations: Stations,
    tensorsOf: (station: Station) => ReadonlyMap<string, Tensor>,
  ) {
    this.names = names;
    this.#network = network;
    this.#what = what;
    this.#stations = stations;
    this.#tensorsOf = tensorsOf;
  }

  /** Copies of some values by path. */
  read(names: readonly Named[] = this.names): Promise<Record<string, HostTensor>> {
    return readShared(this.#stations, names, this.#tensorsOf);
  }

  /** Gives each adapter its part of one value. */
  write(named: Named, values: Float32Array): void {
    for (const station of this.#stations.all) {
      const tensor = this.#tensorsOf(station).get(named.path)!;
      writeTensor(station.gpu, tensor, sliceOf(values, station.kept(named)));
    }
  }

  /**
   * Writes all values.
   *
   * @throws CheckpointError, before anything is written, that names a missing, unknown or misshapen value
   */
  load(given: Readonly<Record<string, HostTensor>>): void {
    this.check(given);
    for (const named of this.names) this.write(named, given[named.path]!.data);
  }

  /** @throws CheckpointError that names a missing, unknown or misshapen value */
  check(given: Readonly<Record<string, HostTensor>>): void {
    const known = new Set(this.names.map(({ path }) => path));
    for (const path of Object.keys(given)) {
      if (!known.has(path)) throw new CheckpointError(`${this.#network}: has no ${this.#what} called ${path}`);
    }
    for (const { path, shape } of this.names) {
      const values = given[path];
      if (!values) throw new CheckpointError(`${this.#network}: the ${this.#what} ${path} is missing`);
      checkHostTensor(`${this.#network}: ${path}`, values);
      if (formatShape(values.shape) !== formatShape(shape)) {
        throw new CheckpointError(
          `${this.#network}: ${path} must have the shape ${formatShape(shape)}, got ${formatShape(values.shape)}`,
        );
      }
    }
  }
}

/** Assembles tensors from the adapters' parts. */
export async function readShared(
  stations: Stations,
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
  if (stations.all.length === 1) return named(await keptBy(stations.first, 0));
  const whole = names.map(({ shape }) => new Float32Array(elementCount(shape)));
  const read = async (station: Station, index: number) => {
    const values = await keptBy(station, index);
    for (const [at, data] of whole.entries()) putSlice(data, station.kept(names[at]!), values[at]!);
  };
  await stations.together('reading', stations.all.map(read));
  return named(whole);
}

/** The names of the optimizer's state: per parameter, with the parameter that it is divided like, and other values. */
export function stateNames(
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
