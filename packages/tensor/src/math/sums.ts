import { recordPerElement } from '../kernel/per-element.js';
import type { Recorder } from '../kernel/recorder.js';
import type { Tensor } from '../kernel/tensor.js';

/** Values that one invocation adds up before another takes over: keeps rounding small and all lanes busy. */
const longest = 512;

/**
 * Records `output[row] = sum over column of input[row][column]` for a matrix that lies row-major in memory. Long rows
 * are summed in parts first, always the same ones, so the result is the same bits each time.
 */
export function recordRowSums(
  recorder: Recorder,
  options: {
    readonly label: string;
    readonly input: Tensor;
    readonly output: Tensor;
    readonly rows: number;
    readonly columns: number;
  },
): void {
  const { label, input, output, rows, columns } = options;
  const parts = Math.ceil(columns / longest);
  if (parts === 1) {
    recordPerElement(recorder, {
      label,
      elements: rows,
      reads: { input },
      writes: { output },
      body: `var sum = 0.0;
for (var column = 0u; column < ${columns}u; column++) { sum += load_input(i * ${columns}u + column); }
store_output(i, sum);`,
    });
    return;
  }
  const partSums = recorder.tensor(`${label}/parts`, [rows, parts]);
  recordPerElement(recorder, {
    label: `${label}/parts`,
    elements: rows * parts,
    reads: { input },
    writes: { partSums },
    // Neighbouring invocations read neighbouring columns, `parts` apart from step to step.
    body: `var sum = 0.0;
let row = i / ${parts}u;
for (var column = i % ${parts}u; column < ${columns}u; column += ${parts}u) { sum += load_input(row * ${columns}u + column); }
store_partSums(i, sum);`,
  });
  recordRowSums(recorder, { label, input: partSums, output, rows, columns: parts });
}

/** Adds up the pieces of a split-K product: `output[i] = sum over piece of input[piece][i]`, in the order of the pieces. */
export function recordSplitKSum(
  recorder: Recorder,
  options: {
    readonly label: string;
    readonly input: Tensor;
    readonly output: Tensor;
    /** How many pieces there are. */
    readonly splitK: number;
    /** Elements of one piece. */
    readonly elements: number;
    /** WGSL for what is added to or made of `sum` before it is stored at `i`. */
    readonly finish?: string;
    readonly reads?: Readonly<Record<string, Tensor>>;
  },
): void {
  const { label, input, output, splitK, elements, finish = '', reads = {} } = options;
  recordPerElement(recorder, {
    label,
    elements,
    reads: { input, ...reads },
    writes: { output },
    body: `var sum = 0.0;
for (var part = 0u; part < ${splitK}u; part++) { sum += load_input(part * ${elements}u + i); }
${finish}
store_output(i, sum);`,
  });
}
