import { ConfigError } from '../errors.js';
import { createPrograms, type Program } from '../kernel/program.js';
import { bytesOf, createTensor, disposeTensor, readTensors, type Tensor } from '../kernel/tensor.js';
import { elementCount, type HostTensor } from '../shape.js';
import type { SeededOptions } from './compile-options.js';
import type { NetworkDescription } from './description.js';
import { fromMemoryLayout } from './layout.js';
import { recordCopy, recordUpTo } from './programs.js';
import { pieceOf } from './spread.js';
import type { Station } from './station.js';
import type { Stations } from './stations.js';

/** An adapter's program and result for the activations of one layer. */
interface Tap {
  readonly program: Program;
  /** The adapter's piece of the activations. */
  readonly result: Tensor;
}

/** Activations of layers by name. The program for a layer is created on first use, and kept. */
export class Features {
  readonly #description: NetworkDescription;
  readonly #stations: Stations;
  readonly #options: SeededOptions;
  /** By layer, one for each adapter. */
  readonly #taps = new Map<string, readonly Tap[]>();

  constructor(description: NetworkDescription, stations: Stations, options: SeededOptions) {
    this.#description = description;
    this.#stations = stations;
    this.#options = options;
  }

  /** @throws ConfigError that lists the layers, if there is none of this name */
  check(name: string): number {
    const names = this.#description.layers.map(({ layer }) => layer.name);
    if (names.includes(name)) return names.indexOf(name);
    throw new ConfigError(`${this.#description.name}: has no layer ${name}; its layers are ${names.join(', ')}`);
  }

  /** The activations of a layer for the first `count` images of the current batch. */
  async of(name: string, count: number, step: number): Promise<HostTensor> {
    const index = this.check(name);
    const taps = this.#taps.get(name) ?? this.#make(name, index);
    const { batch, seed } = this.#options;
    const what = `features of ${name}`;
    const programs = taps.map(({ program }) => program);
    await this.#stations.run(programs, { seed, step }, what).done;
    const [, ...shape] = this.#description.layers[index]!.outputShape;
    const whole = new Float32Array(batch * elementCount(shape));
    const read = async ({ gpu, part }: Station, self: number) => {
      const { output } = part.layers[index]!;
      // If every adapter has all of it, it is read from one.
      if (!output && self > 0) return;
      const [values] = await readTensors(gpu, [taps[self]!.result]);
      if (!output) whole.set(values!);
      else putPiece(whole, batch, pieceOf(output, self), values!);
    };
    await this.#stations.together(what, this.#stations.all.map(read));
    return fromMemoryLayout(whole, [count, ...shape], batch);
  }

  /** Bytes on an adapter. */
  bytesOn(station: number): number {
    return [...this.#taps.values()].reduce((sum, taps) => {
      const { program, result } = taps[station]!;
      return sum + program.plannedBytes + bytesOf(result);
    }, 0);
  }

  dispose(): void {
    for (const taps of this.#taps.values()) {
      for (const [index, { program, result }] of taps.entries()) {
        program.dispose();
        disposeTensor(this.#stations.all[index]!.gpu, result);
      }
    }
    this.#taps.clear();
  }

  #make(name: string, index: number): readonly Tap[] {
    const { exchange } = this.#stations;
    const { outputShape } = this.#description.layers[index]!;
    const make = (station: Station, self: number): Tap => {
      const { gpu, part, tensors } = station;
      const { output } = part.layers[index]!;
      const shape = output ? pieceOf(output, self).shape : [this.#options.batch, ...outputShape.slice(1)];
      const layers = part.layers.slice(0, index + 1);
      return gpu.allOrNothing(() => {
        const result = createTensor(gpu, `${name} features`, shape);
        const { program } = createPrograms(
          gpu,
          {
            program: (recorder) =>
              recordCopy(recorder, recordUpTo(recorder, { ...part, layers }, this.#options, tensors), result),
          },
          exchange && { exchange, self },
        );
        return { program, result };
      });
    };
    const taps: Tap[] = [];
    try {
      for (const [self, station] of this.#stations.all.entries()) taps.push(make(station, self));
    } catch (error) {
      for (const [self, { program, result }] of taps.entries()) {
        program.dispose();
        disposeTensor(this.#stations.all[self]!.gpu, result);
      }
      throw error;
    }
    this.#taps.set(name, taps);
    return taps;
  }
}

/** Copies a piece of an activation to its position in the whole, `[features][images]`. */
function putPiece(
  whole: Float32Array,
  batch: number,
  { features, images }: Pick<ReturnType<typeof pieceOf>, 'features' | 'images'>,
  values: ArrayLike<number>,
): void {
  for (let feature = 0; feature < features.count; feature++) {
    for (let image = 0; image < images.count; image++) {
      whole[(features.first + feature) * batch + images.first + image] = values[feature * images.count + image]!;
    }
  }
}
