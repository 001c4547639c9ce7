import type { Gpu } from '../adapter/gpu.js';
import type { GPUCommandEncoder } from '../adapter/webgpu.js';
import { createReadback, type Readback, type Tensor } from '../kernel/tensor.js';
import type { StepResult, StepUnderWay } from './network.js';

/** One computes while the next is made ready; more would only take memory and keep an interruption waiting. */
const most = 2;

/** The shortest of so many last steps tells how long the next one takes... */
const remembered = 3;

/** ...once so many are known: drivers compile in the first one. */
const enough = 2;

/** Milliseconds. A step that is waited for less was done already... */
const shortestWait = 2;

/** ...and is taken for one that takes this share of the time. */
const shorter = 0.85;

interface Entry extends StepUnderWay {
  readonly readback: Readback;
  done: boolean;
}

/**
 * The steps that were handed to the adapter and are not known to be done. Each has a small buffer of its own for what it
 * measures, so that to read a step's results is to wait for that step and for none after it.
 */
export class StepsUnderWay {
  readonly #batch: number;
  readonly #pace: Pace;
  readonly #readbacks: readonly Readback[];
  #steps: Entry[] = [];

  /** @param measures rows of loss, top-1 error and top-5 error, `[3, N]` */
  constructor(gpu: Gpu, measures: Tensor, batch: number) {
    this.#batch = batch;
    this.#pace = new Pace(gpu.description.kind === 'software');
    this.#readbacks = Array.from({ length: most }, () => createReadback(gpu, [measures]));
  }

  /**
   * Submits a step when there is room for it; `submit` must have the encoder called before it submits the last of it, and
   * give what ends with that.
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
 * Knows about how long a step takes. While a promise of the adapter is pending, the `webgpu` package polls without a
 * pause and takes a core away from a driver that computes on the processor, so most of a step is better slept through.
 */
class Pace {
  readonly #sleeps: boolean;
  /** What the last steps took. */
  readonly #milliseconds: number[] = [];
  /** When the step before was done. */
  #done = 0;

  constructor(sleeps: boolean) {
    this.#sleeps = sleeps;
  }

  /**
   * Sleeps until a step is nearly done.
   *
   * @param followed whether another step is under way, so that the adapter does not wait if this sleeps a little too long
   */
  async rest(submitted: number, followed: boolean): Promise<void> {
    if (!this.#sleeps || this.#milliseconds.length < enough) return;
    const share = followed ? 0.95 : 0.85;
    const left = Math.max(submitted, this.#done) + share * Math.min(...this.#milliseconds) - performance.now();
    if (left >= 1) await new Promise((resolve) => setTimeout(resolve, left));
  }

  /** @param rested when it was waited for */
  note(submitted: number, rested: number): void {
    const now = performance.now();
    const took = now - Math.max(submitted, this.#done);
    // Where it was done by then, all that is known is that it took less: something else had held up those before.
    this.#milliseconds.push(now - rested < shortestWait ? shorter * took : took);
    if (this.#milliseconds.length > remembered) this.#milliseconds.shift();
    this.#done = now;
  }
}
