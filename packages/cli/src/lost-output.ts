/** What a stream says when nobody is there to read it any more: a reader that has enough, a terminal that was closed. */
const nobodyReads = ['EPIPE', 'EIO', 'ERR_STREAM_DESTROYED'];

/**
 * Lets a command outlive standard output: a reader that has enough (`| head`), a `tee` that Ctrl-C ended first, a terminal that was
 * closed, a log on a full disk. What cannot be written then is lost, and nothing else is.
 *
 * @returns what to call in the end: says on standard error what was lost though somebody may look for it, as on a full disk
 */
export function outliveOutput(stdout: NodeJS.WritableStream, stderr: NodeJS.WritableStream): () => void {
  let lost: string | undefined;
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (!nobodyReads.includes(error.code ?? '')) lost ??= error.code ?? error.message;
  });
  stderr.on('error', () => undefined);
  return () => {
    if (lost !== undefined) stderr.write(`warning: not all that was said could be written: ${lost}\n`);
  };
}
