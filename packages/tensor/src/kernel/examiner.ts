import type { Gpu } from '../adapter/gpu.js';
import { createProgram, createPrograms, type Program } from './program.js';
import { createRecording, type Dispatch, isTransfer, type Recorder, type Tunable } from './recorder.js';
import { StandIns } from './stand-ins.js';

/** A choice that is ready to run. */
export interface Run {
  readonly choice: unknown;
  readonly program: Program;
  /** A value for each scalar: the time does not depend on the values, but they must be given. */
  readonly scalars: Readonly<Record<string, number>>;
}

/**
 * Sums in a different order differ by some 1e-6 of the largest result, Winograd's F(4x4, 3x3) by up to 1.3e-5. A
 * product missing from a sum of 10,000 changes it by 2e-3, and even from AlexNet's longest (387,200 products) by 4e-4.
 */
const usualTolerance = 1e-4;

/** Two results that round to neighbouring f16 values are this far apart. */
const halfTolerance = 2 ** -10;

interface Recorded {
  readonly choice: unknown;
  readonly dispatches: readonly Dispatch[];
}

/**
 * Runs the choices of a tunable, each as a separate program on stand-ins for the external tensors, and compares their
 * results with those of the plain one.
 */
export class Examiner {
  readonly #gpu: Gpu;
  readonly #standIns: StandIns;
  readonly #tolerance: number;
  readonly #runs: Run[] = [];
  #wanted: readonly ArrayLike<number>[] | undefined;

  constructor(gpu: Gpu, tunable: Tunable<unknown>) {
    this.#gpu = gpu;
    this.#standIns = new StandIns(gpu, tunable);
    const { outputs, tolerance = usualTolerance } = tunable;
    this.#tolerance = tolerance + (outputs.some(({ dataType }) => dataType === 'f16') ? halfTolerance : 0);
  }

  /** Whether the plain choice was correct, so that others can be compared with it. */
  get hasReference(): boolean {
    return this.#wanted !== undefined;
  }

  /** Records choices and starts compiling all of them at once, except those that cannot be recorded. */
  build(choices: readonly unknown[], onDropped: (choice: unknown, reason: string) => void): Run[] {
    const canBe = (choice: unknown, make: () => void): boolean => {
      try {
        make();
        return true;
      } catch (error) {
        onDropped(choice, messageOf(error));
        return false;
      }
    };
    const recorded: Recorded[] = [];
    for (const choice of choices) canBe(choice, () => recorded.push({ choice, dispatches: this.#record(choice) }));
    const gpu = this.#gpu;
    const make = (those: readonly Recorded[]) => {
      const runs = createRuns(gpu, those);
      this.#runs.push(...runs);
      return runs;
    };
    try {
      return make(recorded);
    } catch {
      return make(
        recorded.filter((one) => canBe(one.choice, () => createProgram(gpu, replay(one.dispatches)).dispose())),
      );
    }
  }

  /**
   * Runs a choice once, the plain one first. After that, drivers that compile at the first dispatch have compiled it.
   *
   * @returns what is wrong with it
   * @throws AdapterError if the adapter is lost
   */
  async faultOf(run: Run): Promise<string | undefined> {
    try {
      const got = await this.#standIns.results(() => run.program.run(run.scalars));
      // The plain choice is compared with itself, which only differs where a value is NaN.
      const difference = largestDifference(got, this.#wanted ?? got);
      if (!(difference <= this.#tolerance))
        return `differs from the plain choice by ${difference} of the largest result`;
      this.#wanted ??= got;
      return undefined;
    } catch (error) {
      await throwIfLost(this.#gpu);
      return messageOf(error);
    }
  }

  dispose(): void {
    for (const { program } of this.#runs) program.dispose();
    this.#standIns.dispose();
  }

  #record(choice: unknown): readonly Dispatch[] {
    const recording = createRecording(this.#gpu);
    this.#standIns.record(recording, choice);
    return recording.operations.filter((operation): operation is Dispatch => !isTransfer(operation));
  }
}

/** One program per choice, with shared memory. */
function createRuns(gpu: Gpu, recorded: readonly Recorded[]): Run[] {
  const names = recorded.map((_, index) => `${index}`);
  const programs = createPrograms(
    gpu,
    Object.fromEntries(names.map((name, index) => [name, replay(recorded[index]!.dispatches)])),
  );
  return recorded.map(({ choice, dispatches }, index) => {
    const scalars = dispatches.flatMap((dispatch) => Object.keys(dispatch.scalars ?? {}));
    return { choice, program: programs[names[index]!]!, scalars: Object.fromEntries(scalars.map((name) => [name, 1])) };
  });
}

const replay = (dispatches: readonly Dispatch[]) => (recorder: Recorder) => {
  for (const dispatch of dispatches) recorder.dispatch(dispatch);
};

/** As a fraction of the largest expected value of the same tensor; infinite if any value is NaN. */
function largestDifference(got: readonly ArrayLike<number>[], wanted: readonly ArrayLike<number>[]): number {
  let largest = 0;
  wanted.forEach((values, index) => {
    let gap = 0;
    let magnitude = 0;
    for (let i = 0; i < values.length; i++) {
      const distance = Math.abs(got[index]![i]! - values[i]!);
      if (Number.isNaN(distance)) gap = Infinity;
      gap = Math.max(gap, distance);
      magnitude = Math.max(magnitude, Math.abs(values[i]!));
    }
    largest = Math.max(largest, magnitude === 0 ? gap : gap / magnitude);
  });
  return largest;
}

/** Throws the adapter's loss; an error of the device that belongs to an earlier failure is discarded. */
export async function throwIfLost(gpu: Gpu): Promise<void> {
  await gpu.finished().catch(() => undefined);
  await gpu.finished();
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
