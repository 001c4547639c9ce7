import type { Gpu } from '../adapter/gpu.js';
import { recordElementwise } from './elementwise.js';
import type { Recorder } from './recorder.js';
import type { Tensor } from './tensor.js';

/** What is done to each value of a result before it is stored, which saves a pass over memory. */
export interface Epilogue {
  readonly name: string;
  /** An expression of the value `x`, a WGSL variable: of an `f32`, or of a `vec4f`, whose values are treated alike. */
  wgsl(x: string, width: 1 | 4): string;
}

/**
 * The mirror image in the backward pass: what the layer below makes of each value of its output's gradient, done before the
 * gradient is stored.
 */
export interface GradientEpilogue {
  readonly name: string;
  /**
   * An expression of the gradient `g` and of the output `y` of the layer below, which are WGSL variables: of an `f32`, or of
   * a `vec4f`, whose values are treated alike.
   */
  wgsl(g: string, y: string, width: 1 | 4): string;
}

/** The layer below one whose backward pass does that of the other as well. */
export interface LayerBelow {
  readonly epilogue: GradientEpilogue;
  /** What it gave, of the shape of the gradient. */
  readonly output: Tensor;
}

/** WGSL that calls `store` with a gradient after the epilogue, if any; `y` is WGSL for the output of the layer below. */
export function storeGradientAfter(
  epilogue: GradientEpilogue | undefined,
  gradient: string,
  y: string,
  width: 1 | 4,
  store: (gradient: string) => string,
): string {
  return epilogue ? `{ let g = ${gradient}; let y = ${y}; ${store(epilogue.wgsl('g', 'y', width))} }` : store(gradient);
}

/** WGSL that calls `store` with a value after the epilogue. */
export function storeAfter(
  epilogue: Epilogue | undefined,
  value: string,
  width: 1 | 4,
  store: (value: string) => string,
): string {
  return epilogue ? `let x = ${value}; ${store(epilogue.wgsl('x', width))}` : store(value);
}

/**
 * Whether a product does well to apply an epilogue to its sums itself. Software drivers hold more sums than the CPU has
 * registers, and whatever is done to the sums after the loop makes lavapipe's loop itself slower: conv2 of the paper's
 * network took 46 ms alone, 66 to 70 ms with so little as a change of sign after it, and a pass of its own 1 to 2 ms.
 */
export function fusesIntoProducts({ description }: Gpu): boolean {
  return description.kind === 'hardware';
}

/** Records an epilogue as a kernel of its own, in place. */
export function recordEpilogue(recorder: Recorder, label: string, tensor: Tensor, epilogue: Epilogue): void {
  recordElementwise(recorder, {
    label: `${label}/${epilogue.name}`,
    elements: tensor.elements,
    updates: { x: tensor },
    body: `x = ${epilogue.wgsl('x', 1)};`,
  });
}

/** Records what the layer below makes of its output's gradient as a kernel of its own, in place. */
export function recordGradientEpilogue(
  recorder: Recorder,
  label: string,
  gradient: Tensor,
  { epilogue, output }: LayerBelow,
): void {
  recordElementwise(recorder, {
    label: `${label}/${epilogue.name}`,
    elements: gradient.elements,
    reads: { y: output },
    updates: { g: gradient },
    body: `g = ${epilogue.wgsl('g', 'y', 1)};`,
  });
}
