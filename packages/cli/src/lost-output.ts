/** Errors of a stream without a reader: the reader has ended, or the terminal was closed. */
const nobodyReads = ['EPIPE', 'EIO', 'ERR_STREAM_DESTROYED'];

/**
 * Lets a command survive the loss of its standard output: a reader that has ended (`| head`), a `tee` that Ctrl-C
 * ended first, a closed terminal, a log on a full disk. Only the output that cannot be written is lost.
 *
 * @returns a function to call at the end: if the user may miss the lost output, as on a full disk, it prints a warning
 * on standard error
 */
export function outliveOutput(stdout: NodeJS.WritableStream, stderr: NodeJS.WritableStream): () => void {
  let lost: string | undefined;
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (!nobodyReads.includes(error.code ?? '')) lost ??= error.code ?? error.message;
  });
  stderr.on('error', () => undefined);
  return () => {
    if (lost !== undefined) stderr.write(`warning: some of the output could not be written: ${lost}\n`);
  };
}
