import type { Writable } from 'node:stream';

/** The output of a command: for users or, with `--json`, for programs, which get standard output for themselves. */
export interface Output {
  /** The stream for users: standard output, or standard error with `--json`. */
  readonly stream: Writable & { readonly isTTY?: boolean };
  /** Standard error. */
  readonly errors: Output['stream'];
  /** A line for users. */
  line(text?: string): void;
  /** The result for programs, printed only with `--json`. */
  result(value: unknown): void;
}

/** The two streams that a command writes to. */
export interface Streams {
  readonly stdout: Output['stream'];
  readonly stderr: Output['stream'];
}

/** Output through the given streams. */
export function createOutput({ json = false }: { readonly json?: boolean }, { stdout, stderr }: Streams): Output {
  const stream = json ? stderr : stdout;
  return {
    stream,
    errors: stderr,
    line: (text = '') => void stream.write(`${text}\n`),
    result: (value) => {
      if (json) stdout.write(`${JSON.stringify(value)}\n`);
    },
  };
}

/**
 * Whether a stream is a terminal that can show a moving bar: not a dumb one (`TERM`, as in editors), and not if the user
 * wants no control codes in the text (`NO_COLOR`, https://no-color.org).
 */
export function movesCursor({ isTTY }: { readonly isTTY?: boolean }, environment = process.env): boolean {
  const { TERM: kind, NO_COLOR: plain = '' } = environment;
  return isTTY === true && kind !== 'dumb' && plain === '';
}

/** `0.1234` as `12.3%`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}

/** `1 step`, `2,000 steps`. */
export function counted(count: number, what: string): string {
  return `${count.toLocaleString('en-US')} ${what}${count === 1 ? '' : 's'}`;
}

/** Seconds as `45s`, `3:07` or `2:05:00`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole}s`;
  const two = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
