import type { Gpu } from '../adapter/gpu.js';
import { ConfigError } from '../errors.js';
import type { Recorder, Tunable } from './recorder.js';
import { createTensor, disposeTensor, readTensors, type Tensor, writeTensor } from './tensor.js';

/** A prime, so that successive rows of a matrix begin with different values. */
const valueCount = 65_521;

/** Values between -1 and 1, the same in every process: sums of them neither overflow nor hide a missing term. */
function madeUpValues(): Float32Array {
  let state = 1;
  return Float32Array.from({ length: valueCount }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

function refuseTransfer({ label }: { readonly label: string }): never {
  throw new ConfigError(`${label}: a tunable runs on a single adapter, and cannot send or receive`);
}

/**
 * Tensors with generated values that replace those that a tunable reads and writes, so that it can run alone: its own
 * tensors have no memory until their program exists. Integers (labels, positions of maxima) stay 0, which is in range
 * everywhere.
 */
export class StandIns {
  readonly #gpu: Gpu;
  readonly #tunable: Tunable<unknown>;
  readonly #values = madeUpValues();
  readonly #tensors = new Map<Tensor, Tensor>();

  constructor(gpu: Gpu, tunable: Tunable<unknown>) {
    this.#gpu = gpu;
    this.#tunable = tunable;
  }

  /** Records a choice with the stand-ins in place of the external tensors. */
  record(recorder: Recorder, choice: unknown): void {
    const inner = new Set<Tensor>();
    const replaced = (tensors: Readonly<Record<string, Tensor>>) =>
      Object.fromEntries(
        Object.entries(tensors).map(([name, tensor]) => [name, inner.has(tensor) ? tensor : this.#for(tensor)]),
      );
    const tensor: Recorder['tensor'] = (...given) => {
      const made = recorder.tensor(...given);
      inner.add(made);
      return made;
    };
    this.#tunable.record(
      {
        gpu: recorder.gpu,
        tensor,
        activation: tensor,
        dispatch: (dispatch) => {
          for (const tensor of Object.values(dispatch.writes)) {
            if (!inner.has(tensor) && !this.#tunable.outputs.includes(tensor)) {
              throw new ConfigError(`${dispatch.label}: writes ${tensor.label}, which is not among the outputs`);
            }
          }
          recorder.dispatch({ ...dispatch, reads: replaced(dispatch.reads), writes: replaced(dispatch.writes) });
        },
        send: refuseTransfer,
        receive: refuseTransfer,
      },
      choice,
    );
  }

  /**
   * The outputs after `run`, independent of earlier runs: they are first filled with generated values, some of which it
   * may read.
   */
  async results(run: () => Promise<void>): Promise<(Float32Array | Uint32Array)[]> {
    const outputs = this.#tunable.outputs.map((output) => this.#for(output));
    outputs.forEach((output, index) => {
      this.#fill(output, index);
    });
    await run();
    return readTensors(this.#gpu, outputs);
  }

  dispose(): void {
    for (const tensor of this.#tensors.values()) disposeTensor(this.#gpu, tensor);
    this.#tensors.clear();
  }

  #for(tensor: Tensor): Tensor {
    let standIn = this.#tensors.get(tensor);
    if (!standIn) {
      standIn = createTensor(this.#gpu, tensor.label, tensor.shape, { dataType: tensor.dataType });
      this.#tensors.set(tensor, standIn);
      this.#fill(standIn, this.#tensors.size);
    }
    return standIn;
  }

  /** Every `turn` starts at a different value. */
  #fill(tensor: Tensor, turn: number): void {
    const { elements, dataType } = tensor;
    if (dataType === 'u32') {
      writeTensor(this.#gpu, tensor, new Uint32Array(elements));
      return;
    }
    const values = new Float32Array(elements);
    let from = (turn * 7919) % valueCount;
    for (let at = 0; at < elements; ) {
      const part = this.#values.subarray(from, from + elements - at);
      values.set(part, at);
      at += part.length;
      from = 0;
    }
    writeTensor(this.#gpu, tensor, values);
  }
}
