import type { PreparationEvent } from '@alex/data';
import { SingleBar } from 'cli-progress';
import { barStyle } from './bar-style.js';
import { duration, movesCursor, type Output } from './output.js';

/** Seconds between lines if there is no terminal. */
const lineEvery = 5;
/** Seconds over which the rate is averaged: images differ, and the disk's buffers fill and empty. */
const rateOver = 30;

/**
 * Shows the progress of a preparation on standard error: a bar on a terminal, otherwise a plain line every few seconds.
 */
export class PreparationProgress {
  readonly #stream: Output['errors'];
  #bar: SingleBar | undefined;
  #lastLine = performance.now();
  /** Pairs of time and finished images since the start of the interval for the rate. */
  #marks: { readonly time: number; readonly done: number }[] = [];

  constructor({ errors }: Pick<Output, 'errors'>) {
    this.#stream = errors;
  }

  show(event: PreparationEvent): void {
    switch (event.kind) {
      case 'listing':
        break;
      case 'remark':
        this.say(event.text);
        break;
      case 'images':
        this.#update(event.done, event.of, this.#rateText(event));
        break;
      case 'verifying':
        this.#update(event.done, event.of, 'files compared with their checksums');
        break;
    }
  }

  /** A permanent line. */
  say(text: string): void {
    this.stop();
    this.#stream.write(`${text}\n`);
  }

  /** Removes the bar, if there is one. */
  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #rateText({ done, of, rejected }: Extract<PreparationEvent, { kind: 'images' }>): string {
    const time = performance.now() / 1000;
    this.#marks.push({ time, done });
    while (this.#marks.length > 2 && this.#marks[0]!.time < time - rateOver) this.#marks.shift();
    const { time: since, done: before } = this.#marks[0]!;
    const rate = time > since ? (done - before) / (time - since) : 0;
    return [
      'images',
      ...(rate > 0 ? [`${rate.toFixed(rate < 10 ? 1 : 0)} a second`, `${duration((of - done) / rate)} left`] : []),
      ...(rejected > 0 ? [`${rejected} rejected`] : []),
    ].join(' · ');
  }

  #update(done: number, of: number, text: string): void {
    if (movesCursor(this.#stream)) {
      this.#bar ??= this.#startBar(of);
      this.#bar.update(done, { text });
      return;
    }
    const now = performance.now();
    if (now - this.#lastLine < lineEvery * 1000) return;
    this.#lastLine = now;
    this.#stream.write(`${done}/${of} ${text}\n`);
  }

  #startBar(of: number): SingleBar {
    const bar = new SingleBar({
      stream: this.#stream as NodeJS.WriteStream,
      format: '{bar} {value}/{total} {text}',
      ...barStyle,
    });
    bar.start(of, 0, { text: '' });
    return bar;
  }
}
