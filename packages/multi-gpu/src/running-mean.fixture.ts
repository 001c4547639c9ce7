import type { Layer, Shape } from '@alex/tensor';
import { recordElementwise, recordPerElement } from '@alex/tensor/kernels';

const share = 0.25;

/**
 * Subtracts the running mean from each map (or unit); the running mean follows the mean of the batch. This is the
 * smallest layer with state.
 */
export function runningMean({ name }: { readonly name: string }): Layer {
  const perMap = (shape: Shape) => shape.slice(2).reduce((product, size) => product * size, shape[0]!);
  const layer: Layer = {
    kind: 'running-mean',
    name,
    outputShape: (input) => input,
    parameters: () => [],
    state: ([, maps]) => [{ name: 'mean', shape: [maps!], initial: 0.5 }],
    multiplyAdds: () => 0,
    forward(recorder, { input, state, training }) {
      const { mean } = state as { mean: NonNullable<typeof state>[string] };
      const output = recorder.activation(`${name}/output`, input.shape);
      const values = perMap(input.shape);
      recordElementwise(recorder, {
        label: `${name}/forward`,
        elements: input.elements,
        reads: { x: input },
        writes: { y: output },
        also: { mean },
        body: `y = x - load_mean(i / ${values}u);`,
      });
      if (!training) return { output };
      const next = recorder.tensor(`${name}/next`, mean.shape);
      recordPerElement(recorder, {
        label: `${name}/mean`,
        elements: mean.elements,
        reads: { x: input, mean },
        writes: { next },
        body: `var sum = 0.0;
for (var at = 0u; at < ${values}u; at++) { sum += load_x(i * ${values}u + at); }
store_next(i, load_mean(i) + ${share} * (sum / ${values}.0 - load_mean(i)));`,
      });
      return { output, state: { mean: next } };
    },
    backward(recorder, { input, outputGradient }) {
      const inputGradient = recorder.activation(`${name}/inputGradient`, input.shape);
      recordElementwise(recorder, {
        label: `${name}/backward`,
        elements: input.elements,
        reads: { g: outputGradient },
        writes: { r: inputGradient },
        body: 'r = g;',
      });
      return { inputGradient };
    },
    column: () => layer,
  };
  return layer;
}

/** The running mean after a batch, `[N, maps, ...]`, in float64. */
export function nextMean(
  mean: readonly number[],
  { shape, data }: { shape: readonly number[]; data: ArrayLike<number> },
): number[] {
  const area = shape.slice(2).reduce((product, size) => product * size, 1);
  return mean.map((value, map) => {
    let sum = 0;
    for (let image = 0; image < shape[0]!; image++) {
      for (let at = 0; at < area; at++) sum += data[(image * mean.length + map) * area + at]!;
    }
    return value + share * (sum / (shape[0]! * area) - value);
  });
}
