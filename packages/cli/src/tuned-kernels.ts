import type { Gpu } from '@alex/tensor';
import {
  choiceOf,
  dispatchesOf,
  leastTime,
  type Roofline,
  type Tunable,
  type Tunings,
  tuningKey,
} from '@alex/tensor/kernels';
import type { RecordedProgram } from '@alex/tensor/network';
import { choiceBehind } from './kernel-choices.js';
import { percent } from './output.js';

/** A kernel whose fastest variant was found. */
export interface TunedKernel {
  /** `conv2/forward`; the first such name if several layers share it. */
  readonly kernel: string;
  readonly choice: unknown;
  readonly milliseconds: number;
  /** Zero if its multiply-adds are unknown. */
  readonly teraflopsPerSecond: number;
  /** The least time by the roofline, divided by the time it takes. */
  readonly rooflineShare: number;
}

/** The tuned kernels of a network, in the order in which they run. */
export function tunedKernels(
  gpu: Gpu,
  programs: readonly RecordedProgram[],
  tunings: Tunings,
  roofline: Roofline,
): TunedKernel[] {
  const kernels = new Map<string, TunedKernel>();
  // Training has all kernels of the evaluation, except those that read its results.
  const inOrder = [...programs].sort((a, b) => Number(b.name === 'train') - Number(a.name === 'train'));
  for (const tunable of inOrder.flatMap((program) => program.tunables)) {
    const key = tuningKey(tunable);
    const tuning = tunings.get(key);
    const milliseconds = tuning?.milliseconds;
    if (milliseconds === undefined || kernels.has(key)) continue;
    const { choice, multiplyAdds, bytes } = choiceBehind(gpu, tunable);
    kernels.set(key, {
      kernel: nameOf(gpu, tunable),
      choice,
      milliseconds,
      teraflopsPerSecond: (2 * multiplyAdds) / milliseconds / 1e9,
      rooflineShare: leastTime(roofline, { multiplyAdds, bytes }).milliseconds / milliseconds,
    });
  }
  return [...kernels.values()];
}

/**
 * The common beginning of the labels of its dispatches that have the same layer and direction as the last one. On GPUs, the
 * weight gradient also computes the bias gradient, and may end with it: the name is that of the weights.
 */
function nameOf(gpu: Gpu, tunable: Tunable<unknown>): string {
  const labels = dispatchesOf(gpu, tunable, choiceOf(gpu, tunable)).map(({ label }) => label.split('/'));
  const last = labels.findLast(([, direction]) => direction !== 'biasGradient') ?? labels.at(-1)!;
  const alike = labels.filter((label) => label[0] === last[0] && label[1] === last[1]);
  const differs = last.findIndex((part, index) => alike.some((label) => label[index] !== part));
  return last.slice(0, differs < 0 ? last.length : differs).join('/');
}

/** The kernels as lines of a table. */
export function tunedTable(kernels: readonly TunedKernel[], roofline: Roofline): string[] {
  const { multiplyAddsPerSecond, copyBytesPerSecond } = roofline;
  const width = Math.max(6, ...kernels.map(({ kernel }) => kernel.length));
  const row = (kernel: string, ...[milliseconds, teraflops, share, choice]: readonly string[]) =>
    `  ${kernel.padEnd(width)}  ${milliseconds!.padStart(9)}  ${teraflops!.padStart(9)}  ${share!.padStart(11)}  ${choice}`;
  return [
    `Roofline: ${significant((2 * multiplyAddsPerSecond) / 1e12)} TFLOP/s, copies ${significant(copyBytesPerSecond / 1e9)} GB/s.`,
    row('kernel', 'ms', 'TFLOP/s', 'of roofline', 'chosen'),
    ...kernels.map(({ kernel, choice, milliseconds, teraflopsPerSecond, rooflineShare }) =>
      row(
        kernel,
        milliseconds.toFixed(3),
        teraflopsPerSecond > 0 ? significant(teraflopsPerSecond) : '-',
        percent(rooflineShare),
        inWords(choice),
      ),
    ),
  ];
}

function significant(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** A choice in short words: `direct, subgroup, width 4, tile 32 x 8, workgroup size 8`. */
export function inWords(choice: unknown, name = ''): string {
  const called = name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  const named = (words: string) => (called === '' ? words : `${called} ${words}`);
  if (choice === null || choice === false) return '';
  if (choice === true) return called;
  if (typeof choice === 'number') return named(`${choice}`);
  if (typeof choice !== 'object') return String(choice);
  if (Array.isArray(choice)) return named(choice.map((part) => inWords(part)).join(' x '));
  const { rows, columns, ...others } = choice as Record<string, unknown>;
  const isTile = typeof rows === 'number' && typeof columns === 'number';
  const parts = isTile ? others : (choice as Record<string, unknown>);
  const words = Object.entries(parts).map(([part, value]) => inWords(value, part));
  return [...(isTile ? [named(`${rows} x ${columns}`)] : []), ...words].filter((word) => word !== '').join(', ');
}
