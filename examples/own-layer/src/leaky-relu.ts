import type { Layer, LayerOptions } from '@alex/tensor';
import { elementwiseLayer } from '@alex/tensor/kernels';

export interface LeakyReluOptions extends LayerOptions {
  /** Factor of values below 0; at least 0 and below 1. Default: 0.01. */
  readonly slope?: number;
}

/** `x` above 0, `slope * x` below, for activations of any shape (Maas, Hannun, Ng 2013). */
export function leakyRelu({ slope = 0.01, ...options }: LeakyReluOptions = {}): Layer {
  const a = slope.toFixed(8);
  return elementwiseLayer({
    ...options,
    kind: 'leakyRelu',
    value: `max(x, ${a} * x)`,
    // A function of the output alone, whose sign is that of the input, so the layer below can apply it before it stores
    // its output.
    derivative: `select(${a}, 1.0, y > 0.0)`,
  });
}
