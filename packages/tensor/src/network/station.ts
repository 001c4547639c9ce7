import type { Gpu } from '../adapter/gpu.js';
import type { ExchangeEnd } from '../kernel/exchange.js';
import { createPrograms, type Program, type RecordDispatches } from '../kernel/program.js';
import { bufferOf, bytesOf, createTensor, disposeTensor, type Tensor, writeTensor } from '../kernel/tensor.js';
import { elementsPerImage, type HostTensor, type Shape } from '../shape.js';
import type { NetworkDescription } from './description.js';
import { toMemoryLayout } from './layout.js';
import { allTensors, type NetworkTensors, networkTensors, type ProgramOptions } from './network-tensors.js';
import { type Kept, type NetworkPart, partParameters, partState } from './part.js';
import { recordEvaluation, recordMicroBatch, recordTraining, recordUpdates } from './programs.js';

/** A part of a network, and its adapter. */
export interface PlacedPart {
  readonly gpu: Gpu;
  readonly part: NetworkPart;
}

/** A tensor of a network that outlives a step, as part of the public interface. */
export interface Named {
  readonly path: string;
  readonly shape: Shape;
  /** Path of the parameter that it is divided like. Default: its own. */
  readonly ofParameter?: string;
}

/** The programs of a part. */
export interface StationPrograms<Of> {
  readonly evaluate: Of;
  /** A step, or a micro-batch of one. */
  readonly train?: Of;
  /** The last micro-batch of a step, if it has a separate program, which sends gradients to the other ranks. */
  readonly lastBatch?: Of;
  /** The program after the last micro-batch of a step. */
  readonly update?: Of;
}

/** What each program of a part records. */
export function programsOf(
  part: NetworkPart,
  options: ProgramOptions,
  tensors: NetworkTensors,
): StationPrograms<RecordDispatches> {
  const recorded =
    (record: typeof recordTraining): RecordDispatches =>
    (recorder) =>
      record(recorder, part, options, tensors);
  const evaluate = recorded(recordEvaluation);
  if (options.training === false) return { evaluate };
  if (tensors.gradients.size + tensors.nextLayerState.size === 0) return { evaluate, train: recorded(recordTraining) };
  const train = recorded(recordMicroBatch);
  const update = recorded(recordUpdates);
  if (!options.ranks || (options.microBatches ?? 1) === 1) return { evaluate, train, update };
  return { evaluate, train: recorded((...given) => recordMicroBatch(...given, false)), lastBatch: train, update };
}

/** A part of a network on its adapter: tensors and programs. */
export class Station {
  readonly gpu: Gpu;
  readonly part: NetworkPart;
  readonly tensors: NetworkTensors;
  readonly programs: StationPrograms<Program>;
  readonly #kept: ReadonlyMap<string, Kept>;
  /** Staging memory in which images are converted for the adapter; allocated on first use. */
  #staged: Float32Array<ArrayBuffer> | undefined;

  /** @param end its end of the exchange with the other adapters, if there are any */
  constructor(
    description: NetworkDescription,
    { gpu, part }: PlacedPart,
    options: ProgramOptions,
    end: ExchangeEnd | undefined,
  ) {
    this.gpu = gpu;
    this.part = part;
    this.#kept = new Map([...partParameters(part), ...partState(part)].map((kept) => [kept.path, kept]));
    this.tensors = networkTensors(description, part, options, (...given) => createTensor(gpu, ...given));
    this.programs = createPrograms(gpu, programsOf(part, options, this.tensors), end);
  }

  /** Writes the adapter's own images of a batch; if the batch is not full, the rest becomes 0. */
  writeImages({ shape, data }: HostTensor): void {
    const { input } = this.tensors;
    const { first, count } = this.part.images;
    const features = elementsPerImage(shape);
    const images = Math.max(0, Math.min(count, shape[0]! - first));
    const own = {
      shape: [images, ...shape.slice(1)],
      data: data.subarray(first * features, (first + images) * features),
    };
    this.#staged ??= new Float32Array(input.elements);
    writeTensor(this.gpu, input, toMemoryLayout(own, count, this.#staged));
  }

  writeLabels(labels: Uint32Array): void {
    writeTensor(this.gpu, this.tensors.labels, labels);
  }

  /** Copies all images of a batch from another tensor on the adapter. */
  copyImages(images: Tensor): void {
    const { input } = this.tensors;
    const encoder = this.gpu.device.createCommandEncoder();
    encoder.copyBufferToBuffer(bufferOf(images), 0, bufferOf(input), 0, bytesOf(input));
    this.gpu.device.queue.submit([encoder.finish()]);
  }

  /** The adapter's part of a tensor that outlives a step. */
  kept({ path, ofParameter = path }: Named): Kept | undefined {
    return this.#kept.get(ofParameter);
  }

  dispose(): void {
    for (const program of Object.values(this.programs)) program.dispose();
    for (const tensor of allTensors(this.tensors)) disposeTensor(this.gpu, tensor);
  }
}
