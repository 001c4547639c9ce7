import type { TrainingEvent } from '@alex/trainer';
import { MultiBar, type SingleBar } from 'cli-progress';
import { barStyle } from './bar-style.js';
import { duration, movesCursor, type Output, percent } from './output.js';

/** Number of steps over which loss, top-1 error and speed are averaged. */
const window = 20;
/** Seconds between lines if there is no terminal. */
const lineEvery = 5;

/**
 * Shows the progress of training: on a terminal a line with a bar that stays in place, otherwise a plain line every few
 * seconds. Results of evaluations stay on the screen.
 */
export class TrainingProgress {
  readonly #output: Output;
  readonly #losses: number[] = [];
  readonly #errors: number[] = [];
  readonly #speeds: number[] = [];
  readonly #seconds: number[] = [];
  #bars: MultiBar | undefined;
  #bar: SingleBar | undefined;
  #lastStep: number | undefined;
  #lastLine = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  show(event: TrainingEvent): void {
    switch (event.kind) {
      case 'start':
        this.stop();
        this.#lastLine = performance.now();
        if (event.step > 0) this.#output.line(`Resuming from step ${event.step} of ${event.steps}.`);
        this.#startBar(event.step, event.steps);
        break;
      case 'step': {
        const now = performance.now();
        const { step, loss, top1Error, imagesPerSecond } = event.metrics;
        // Includes the time between steps, evaluations too, since the user waits for it; but not the first step, in
        // which the driver compiles.
        if (this.#lastStep !== undefined) this.#note(this.#seconds, (now - this.#lastStep) / 1000);
        this.#note(this.#losses, loss);
        this.#note(this.#errors, top1Error);
        this.#note(this.#speeds, imagesPerSecond);
        this.#lastStep = now;
        this.#update(step, event.steps);
        break;
      }
      case 'validation': {
        const { step, loss, top1Error, top5Error } = event.metrics;
        this.#keep(
          `step ${step}: validation loss ${loss.toFixed(3)}, top-1 error ${percent(top1Error)}, top-5 error ${percent(top5Error)}`,
        );
        break;
      }
      case 'evaluating':
        this.#showEvaluation(event.images, event.of);
        break;
      case 'problem':
        this.#keep(event.message);
        break;
      case 'checkpoint':
        break;
    }
  }

  /** A permanent line. */
  say(text: string): void {
    this.#keep(text);
  }

  /** Removes the bar, if there is one. */
  stop(): void {
    this.#bars?.stop();
    this.#bars = undefined;
    this.#bar = undefined;
  }

  #note(values: number[], value: number): void {
    values.push(value);
    if (values.length > window) values.shift();
  }

  #startBar(step: number, steps: number): void {
    if (!movesCursor(this.#output.stream)) return;
    this.#bars = new MultiBar({
      stream: this.#output.stream as NodeJS.WriteStream,
      format: '{bar} step {value}/{total} {text}',
      ...barStyle,
      forceRedraw: true,
    });
    this.#bar = this.#bars.create(steps, step, { text: '' });
  }

  #update(step: number, steps: number): void {
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const speed = mean(this.#speeds);
    const text = [
      `loss ${mean(this.#losses).toFixed(3)}`,
      `top-1 error ${percent(mean(this.#errors))}`,
      `${speed.toFixed(speed < 10 ? 1 : 0)} images/s`,
      ...(this.#seconds.length > 0 ? [`${duration(mean(this.#seconds) * (steps - step))} left`] : []),
    ].join(' · ');
    if (this.#bar) this.#bar.update(step, { text });
    else this.#lineInTime(`step ${step}/${steps} · ${text}`, step === steps);
  }

  #showEvaluation(images: number, of: number): void {
    const text = `evaluating ${images}/${of} images`;
    if (this.#bar) this.#bar.update({ text });
    else this.#lineInTime(text);
  }

  /** A plain line, if the last one is some seconds old. */
  #lineInTime(text: string, anyway = false): void {
    const now = performance.now();
    if (!anyway && now - this.#lastLine < lineEvery * 1000) return;
    this.#lastLine = now;
    this.#output.line(text);
  }

  #keep(text: string): void {
    if (this.#bars) {
      this.#bars.log(`${text}\n`);
      this.#bars.update();
    } else this.#output.line(text);
  }
}
