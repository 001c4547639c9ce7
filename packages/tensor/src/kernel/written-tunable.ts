import type { Gpu } from '../adapter/gpu.js';
import { createRecording, type Dispatch, isTransfer, type Recorder, type Tunable } from './recorder.js';
import type { Tensor } from './tensor.js';

/**
 * A tunable as plain data, for another process: the dispatches of its choices, over tensors without memory. Tensors
 * that are identical here are identical there, if all of it is sent in one message.
 */
export interface WrittenTunable {
  readonly kernel: string;
  readonly tolerance: number | undefined;
  readonly outputs: readonly Tensor[];
  readonly plain: WrittenChoice;
  readonly candidates: readonly WrittenChoice[];
}

/** The dispatches of one choice. */
export interface WrittenChoice {
  readonly dispatches: readonly Dispatch[];
  /** The tensors that it creates itself; the others are external. */
  readonly made: ReadonlySet<Tensor>;
}

/** Converts the choices of a tunable to plain data. */
export class TunableWriter {
  readonly #gpu: Gpu;
  readonly #tunable: Tunable<unknown>;
  readonly #written = new Map<Tensor, Tensor>();

  constructor(gpu: Gpu, tunable: Tunable<unknown>) {
    this.#gpu = gpu;
    this.#tunable = tunable;
  }

  /** @throws as recording the choice does */
  write(choice: unknown): WrittenChoice {
    const recording = createRecording(this.#gpu);
    const made = new Set<Tensor>();
    const tensor: Recorder['tensor'] = (...given) => {
      const one = recording.tensor(...given);
      made.add(this.#tensor(one));
      return one;
    };
    this.#tunable.record({ ...recording, tensor, activation: tensor }, choice);
    const dispatches = recording.operations.filter((operation): operation is Dispatch => !isTransfer(operation));
    return { dispatches: dispatches.map((dispatch) => mapTensors(dispatch, (one) => this.#tensor(one))), made };
  }

  /** The tunable with a plain choice and candidates converted before. */
  tunable(plain: WrittenChoice, candidates: readonly WrittenChoice[]): WrittenTunable {
    const { kernel, tolerance, outputs } = this.#tunable;
    return { kernel, tolerance, outputs: outputs.map((output) => this.#tensor(output)), plain, candidates };
  }

  #tensor(tensor: Tensor): Tensor {
    let written = this.#written.get(tensor);
    if (!written) {
      const { label, shape, elements, dataType, mayReuse } = tensor;
      written = { label, shape: [...shape], elements, dataType, mayReuse: mayReuse && this.#tensor(mayReuse) };
      this.#written.set(tensor, written);
    }
    return written;
  }
}

/** A tunable from plain data; its choices are the converted ones. */
export function readTunable({ kernel, tolerance, outputs, plain, candidates }: WrittenTunable): Tunable<WrittenChoice> {
  return {
    kernel,
    version: 0,
    shape: '',
    candidates,
    plain,
    outputs,
    ...(tolerance !== undefined && { tolerance }),
    record(recorder, { dispatches, made }) {
      const remade = new Map<Tensor, Tensor>();
      const own = (tensor: Tensor): Tensor => {
        if (!made.has(tensor)) return tensor;
        let one = remade.get(tensor);
        if (!one) {
          const { label, shape, dataType, mayReuse } = tensor;
          one = recorder.tensor(label, shape, { dataType, ...(mayReuse && { mayReuse: own(mayReuse) }) });
          remade.set(tensor, one);
        }
        return one;
      };
      for (const dispatch of dispatches) recorder.dispatch(mapTensors(dispatch, own));
    },
  };
}

function mapTensors(dispatch: Dispatch, map: (tensor: Tensor) => Tensor): Dispatch {
  const mapped = (tensors: Readonly<Record<string, Tensor>>) =>
    Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, map(tensor)]));
  return { ...dispatch, reads: mapped(dispatch.reads), writes: mapped(dispatch.writes) };
}
