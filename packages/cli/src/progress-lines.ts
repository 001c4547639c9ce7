import type { Output } from './output.js';

/** Seconds between lines that say how far a command is. */
const lineEvery = 10;

/** Says how many images are done, at most every ten seconds, and not where all are. */
export function sayNowAndThen({ line }: Pick<Output, 'line'>, what = 'images'): (done: number, of: number) => void {
  let last = performance.now();
  return (done, of) => {
    if (done === of || performance.now() - last < 1000 * lineEvery) return;
    last = performance.now();
    line(`${done.toLocaleString('en-US')} of ${of.toLocaleString('en-US')} ${what}`);
  };
}
