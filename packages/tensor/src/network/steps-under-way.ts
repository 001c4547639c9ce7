import { platform } from '#platform';
import type { Gpu } from '../adapter/gpu.js';
import { createReadback, type Readback, type Tensor } from '../kernel/tensor.js';
import type { GPUCommandEncoder } from '../platform/webgpu.js';
import { sleep } from '../sleep.js';
import type { StepResult, StepUnderWay } from './network.js';

/** One computes while the next is prepared; more would only take memory and delay an interruption. */
const most = 2;

/** The shortest of this many previous steps predicts the duration of the next one... */
const remembered = 3;

/** ...once this many are known: drivers compile in the first one. */
const enough = 2;

/** Milliseconds. If the wait for a step is shorter than this, the step was already done... */
const shortestWait = 2;

/** ...and its duration is assumed to be this fraction of the prediction. */
const shorter = 0.85;

interface Entry extends StepUnderWay {
  readonly readback: Readback;
  done: boolean;
}

/**
 * Steps that were submitted to the adapter and are not known to be done. Each has its own small buffer for its results,
 * so that reading them waits for that step and not for later ones.
 */
export class StepsUnderWay {
  readonly #batch: number;
  readonly #pace: Pace;
  readonly #readbacks: readonly Readback[];
  #steps: Entry[] = [];

  /** @param measures rows of loss, top-1 error and top-5 error, `[3, N]` */
  constructor(gpu: Gpu, measures: Tensor, batch: number) {
    this.#batch = batch;
    this.#pace = new Pace(platform.pollsWhilePending && gpu.description.kind === 'software');
    this.#readbacks = Array.from({ length: most }, () => createReadback(gpu, [measures]));
  }

  /**
   * Submits a step when there is room for it. `submit` must call back with the encoder before it submits the last
   * piece, and return a promise that resolves with that.
   */
  async submit(
    submit: (encode: (encoder: GPUCommandEncoder) => void) => Promise<{ readonly handover: Promise<unknown> }>,
  ): Promise<StepUnderWay> {
    this.#steps = this.#steps.filter(({ done }) => !done);
    if (this.#steps.length === most) await this.#steps.shift()!.result();
    const readback = this.#readbacks.find((free) => this.#steps.every((step) => step.readback !== free))!;
    const { handover } = await submit((encoder) => readback.encode(encoder));
    const submitted = performance.now();
    let result: Promise<StepResult> | undefined;
    const entry: Entry = {
      readback,
      done: false,
      result: () => {
        result ??= this.#resultOf(entry, submitted, handover);
        return result;
      },
    };
    this.#steps.push(entry);
    return entry;
  }

  dispose(): void {
    for (const readback of this.#readbacks) readback.dispose();
  }

  async #resultOf(entry: Entry, submitted: number, handover: Promise<unknown>): Promise<StepResult> {
    await handover;
    const followed = this.#steps.at(-1) !== entry;
    await this.#pace.rest(submitted, followed);
    const rested = performance.now();
    const mean = (values: ArrayLike<number>, row: number) => {
      let sum = 0;
      for (let image = 0; image < this.#batch; image++) sum += values[row * this.#batch + image]!;
      return sum / this.#batch;
    };
    const result = await entry.readback.take(([values]) => ({
      loss: mean(values!, 0),
      top1Error: mean(values!, 1),
      top5Error: mean(values!, 2),
    }));
    entry.done = true;
    this.#pace.note(submitted, rested);
    return result;
  }
}

/**
 * Estimates the duration of a step. While a promise of the adapter is pending, the `webgpu` package busy-polls and
 * takes a core away from a software driver, so it is better to sleep for most of a step.
 */
class Pace {
  readonly #sleeps: boolean;
  /** Durations of the last steps. */
  readonly #milliseconds: number[] = [];
  /** When the previous step was done. */
  #done = 0;

  constructor(sleeps: boolean) {
    this.#sleeps = sleeps;
  }

  /**
   * Sleeps until a step is nearly done.
   *
   * @param followed whether another step is in flight, so that the adapter does not idle if this sleeps a little too
   * long
   */
  async rest(submitted: number, followed: boolean): Promise<void> {
    if (!this.#sleeps || this.#milliseconds.length < enough) return;
    const share = followed ? 0.95 : 0.85;
    const left = Math.max(submitted, this.#done) + share * Math.min(...this.#milliseconds) - performance.now();
    if (left >= 1) await sleep(left);
  }

  /** @param rested when the wait for it began */
  note(submitted: number, rested: number): void {
    const now = performance.now();
    const took = now - Math.max(submitted, this.#done);
    // If the step was already done, we only know an upper bound: something else had delayed the steps before.
    this.#milliseconds.push(now - rested < shortestWait ? shorter * took : took);
    if (this.#milliseconds.length > remembered) this.#milliseconds.shift();
    this.#done = now;
  }
}
