import { createReadback, type Readback, type Tensor, type Values } from '../kernel/tensor.js';
import type { HostTensor, Shape } from '../shape.js';
import { fromMemoryLayout } from './layout.js';
import type { Evaluation } from './network.js';
import type { Stations } from './stations.js';

/** The network's outputs for some images. */
export interface Evaluated {
  readonly output: HostTensor;
  readonly evaluation: Evaluation;
}

/** Runs the forward pass over the current batch, with dropout off, and reads the results. */
export class Evaluator {
  readonly #stations: Stations;
  readonly #batch: number;
  readonly #output: Shape;
  readonly #seed: number;
  readonly #readback: Readback;

  /** @param output the shape of the last layer's output for one image */
  constructor(stations: Stations, options: { readonly batch: number; readonly seed: number }, output: Shape) {
    this.#stations = stations;
    this.#batch = options.batch;
    this.#seed = options.seed;
    this.#output = output;
    const { gpu, tensors } = stations.first;
    const read: Tensor[] = [tensors.measures, tensors.output, tensors.probabilities];
    this.#readback = stations.disposeAlong(createReadback(gpu, read));
  }

  /** @param count how many of the batch's images are wanted */
  async evaluate(count: number, step: number): Promise<Evaluated> {
    const programs = this.#stations.all.map(({ programs }) => programs.evaluate);
    await this.#stations.run(programs, { seed: this.#seed, step }, 'evaluation').done;
    const [[measures, output, probabilities]] = (await this.#stations.together('evaluation', [
      this.#readback.read(),
    ])) as [Values[]];
    const batch = this.#batch;
    const shape = [count, ...this.#output];
    const row = (index: number) => Float32Array.from(measures!.subarray(index * batch, index * batch + count));
    return {
      output: fromMemoryLayout(output!, shape, batch),
      evaluation: {
        losses: row(0),
        top1Errors: row(1),
        top5Errors: row(2),
        probabilities: fromMemoryLayout(probabilities!, shape, batch),
      },
    };
  }
}
