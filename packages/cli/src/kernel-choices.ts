import type { Gpu, Tensor } from '@alex/tensor';
import {
  type CandidateTiming,
  choiceOf,
  type Dispatch,
  dispatchesOf,
  leastTime,
  type Roofline,
  sameChoice,
  type Tunable,
  type TuningCache,
  timeCandidates,
} from '@alex/tensor/kernels';
import type { RecordedProgram } from '@alex/tensor/network';

/** A computation of a kernel, and the choice among its implementations. */
export interface KernelChoice {
  /** `conv2d/forward`; the kernel's label if there is only one implementation. */
  readonly kernel: string;
  readonly shape: string;
  /** The choice that the network is compiled with; null if there is only one implementation. */
  readonly choice: unknown;
  /** Zero if unknown: in kernels that are bound by memory. */
  readonly multiplyAdds: number;
  /** Bytes of the tensors that it reads and writes, each counted once. */
  readonly bytes: number;
  /**
   * Times all implementations, with their shares of the roofline.
   *
   * @param cache stores which candidates to avoid
   */
  measure(roofline: Roofline, cache?: TuningCache): Promise<MeasuredCandidate[]>;
}

/** A candidate's time, or why it cannot be used. */
export type MeasuredCandidate = CandidateTiming & {
  /** Whether the network is compiled with it. */
  readonly inUse: boolean;
  /** The least time by the roofline, divided by the measured time: above 1 if an algorithm saves multiply-adds. */
  readonly rooflineShare?: number;
};

/** Whether a dispatch has this label or belongs to it: `conv2/forward/packWeights`. */
export function belongsTo(label: string): (dispatch: Dispatch) => boolean {
  return (dispatch) => dispatch.label === label || dispatch.label.startsWith(`${label}/`);
}

/** The choices behind a kernel: an algorithm, and the choices within it. */
export function kernelChoices(gpu: Gpu, program: RecordedProgram, label: string): KernelChoice[] {
  const isOf = belongsTo(label);
  const tunables = program.tunables.filter((tunable) => dispatchesOf(gpu, tunable, choiceOf(gpu, tunable)).some(isOf));
  return tunables.length > 0
    ? tunables.map((tunable) => choiceBehind(gpu, tunable))
    : [choiceBehind(gpu, onlyWay(label, program.dispatches.filter(isOf)))];
}

/** A tunable as recorded for an adapter. */
export function choiceBehind(gpu: Gpu, tunable: Tunable<unknown>): KernelChoice {
  const { kernel, shape, work: multiplyAdds = 0 } = tunable;
  const choice = choiceOf(gpu, tunable);
  const bytes = bytesReached(dispatchesOf(gpu, tunable, choice), tunable.outputs);
  return {
    kernel,
    shape,
    choice,
    multiplyAdds,
    bytes,
    async measure(roofline, cache) {
      const least = leastTime(roofline, { multiplyAdds, bytes }).milliseconds;
      return (await timeCandidates(gpu, tunable, { cache })).map((timing) => ({
        ...timing,
        inUse: sameChoice(timing.choice, choice),
        ...('milliseconds' in timing && { rooflineShare: least / timing.milliseconds }),
      }));
    },
  };
}

/** A kernel without a choice, in the form of a choice of one. */
function onlyWay(kernel: string, dispatches: readonly Dispatch[]): Tunable<unknown> {
  return {
    kernel,
    version: 1,
    shape: '',
    candidates: [null],
    plain: null,
    outputs: dispatches.flatMap(({ writes }) => Object.values(writes)),
    record: (recorder) => {
      for (const dispatch of dispatches) recorder.dispatch(dispatch);
    },
  };
}

const bytesOfType = { f32: 4, f16: 2, u32: 4 } as const;

/** Counts inputs from outside and final outputs, but not tensors that only pass between the dispatches. */
function bytesReached(dispatches: readonly Dispatch[], outputs: readonly Tensor[]): number {
  const written = new Set<Tensor>();
  const reached = new Set(outputs);
  for (const { reads, writes } of dispatches) {
    for (const tensor of Object.values(reads)) if (!written.has(tensor)) reached.add(tensor);
    for (const tensor of Object.values(writes)) written.add(tensor);
  }
  return [...reached].reduce((sum, { elements, dataType }) => sum + elements * bytesOfType[dataType], 0);
}
