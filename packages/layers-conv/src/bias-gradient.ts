import type { Recorder, Tensor } from '@alex/tensor';
import { recordRowSums } from '@alex/tensor/kernels';

/** Records the gradient of biases, each of which is added to the same number of neighbouring outputs. */
export function recordBiasGradient(recorder: Recorder, outputGradient: Tensor, biasGradient: Tensor): void {
  const { label, elements: rows } = biasGradient;
  recordRowSums(recorder, {
    label,
    input: outputGradient,
    output: biasGradient,
    rows,
    columns: outputGradient.elements / rows,
  });
}
