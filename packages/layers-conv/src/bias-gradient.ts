import type { Recorder, Tensor } from '@alex/tensor';
import { recordRowSums } from '@alex/tensor/kernels';

/** Records the gradient of biases of which each is added to equally many neighbouring outputs. */
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
