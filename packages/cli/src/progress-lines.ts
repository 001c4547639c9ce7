import type { Output } from './output.js';

/** Seconds between lines about the progress of a command. */
const lineEvery = 10;

/** Prints the number of finished images, at most every ten seconds, but not once all are finished. */
export function sayNowAndThen({ line }: Pick<Output, 'line'>, what = 'images'): (done: number, of: number) => void {
  let last = performance.now();
  return (done, of) => {
    if (done === of || performance.now() - last < 1000 * lineEvery) return;
    last = performance.now();
    line(`${done.toLocaleString('en-US')} of ${of.toLocaleString('en-US')} ${what}`);
  };
}
