import type { Recorder, Shape, Tensor } from '@alex/tensor';
import { elementCount, recordRowSums } from '@alex/tensor/kernels';

/** Records the gradient of biases, each of which is added to the same number of adjacent outputs. */
export function recordBiasGradient(
  recorder: Recorder,
  { name }: { readonly name: string },
  shape: Shape,
  outputGradient: Tensor,
): Tensor {
  const bias = recorder.tensor(`${name}/biasGradient`, shape);
  const rows = elementCount(shape);
  recordRowSums(recorder, {
    label: `${name}/biasGradient`,
    input: outputGradient,
    output: bias,
    rows,
    columns: outputGradient.elements / rows,
  });
  return bias;
}
