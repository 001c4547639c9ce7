import { recordPerElement } from '../kernel/per-element.js';
import type { Recorder } from '../kernel/recorder.js';
import type { Tensor } from '../kernel/tensor.js';

/** Records `output[column][row] = input[row][column]` for a matrix that lies row-major in memory. */
export function recordTranspose(
  recorder: Recorder,
  options: {
    readonly label: string;
    readonly input: Tensor;
    readonly output: Tensor;
    /** Of the input. */
    readonly rows: number;
    readonly columns: number;
  },
): void {
  const { label, input, output, rows, columns } = options;
  recordPerElement(recorder, {
    label,
    elements: rows * columns,
    reads: { input },
    writes: { output },
    body: `store_output(i, load_input(i % ${rows}u * ${columns}u + i / ${rows}u));`,
  });
}
