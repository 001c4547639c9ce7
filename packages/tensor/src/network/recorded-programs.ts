import type { Gpu } from '../adapter/gpu.js';
import type { RecordDispatches } from '../kernel/program.js';
import { createRecording, type Dispatch, isTransfer, type Tunable } from '../kernel/recorder.js';
import { describeTensor } from '../kernel/tensor.js';
import { checkCompilable } from './compile-options.js';
import type { NetworkDescription } from './description.js';
import { networkTensors, type ProgramOptions } from './network-tensors.js';
import { type NetworkPart, wholePart } from './part.js';
import { programsOf } from './station.js';

/** A program of a network, as recorded for an adapter. */
export interface RecordedProgram {
  /** `train`, `evaluate`, or `update` if a step has several micro-batches. */
  readonly name: string;
  /** Its kernels, in order. */
  readonly dispatches: readonly Dispatch[];
  /** Everything in it that offers a choice of kernels. */
  readonly tunables: readonly Tunable<unknown>[];
}

/**
 * Records the programs of a network, or a part of it, for an adapter, without compiling anything.
 *
 * @throws as `compileNetwork` does
 */
export function recordPrograms(
  description: NetworkDescription,
  gpu: Gpu,
  options: ProgramOptions,
  given?: NetworkPart,
): RecordedProgram[] {
  checkCompilable(description, gpu, options);
  const part = given ?? wholePart(description, options.batch);
  const programs = programsOf(part, options, networkTensors(description, part, options, describeTensor));
  return (Object.entries(programs) as [string, RecordDispatches][]).map(([name, record]) => {
    const tunables: Tunable<unknown>[] = [];
    const recording = createRecording(gpu);
    record({ ...recording, collect: (tunable) => tunables.push(tunable) });
    const dispatches = recording.operations.filter((operation): operation is Dispatch => !isTransfer(operation));
    return { name, dispatches, tunables };
  });
}
