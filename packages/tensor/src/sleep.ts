/**
 * Resolves after a time in milliseconds.
 *
 * @param options.keepsAlive false: a process in Node may end before. Default: true
 */
export function sleep(milliseconds: number, { keepsAlive = true } = {}): Promise<void> {
  return new Promise((resolve) => {
    const timer: { unref?(): unknown } = setTimeout(resolve, milliseconds);
    // Timers are numbers in browsers.
    if (!keepsAlive) timer.unref?.();
  });
}
