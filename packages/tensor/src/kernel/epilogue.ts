import type { Gpu } from '../adapter/gpu.js';
import { recordElementwise } from './elementwise.js';
import type { Recorder } from './recorder.js';
import type { Tensor } from './tensor.js';

/** An operation on each value of a result before it is stored, which saves a pass over memory. */
export interface Epilogue {
  readonly name: string;
  /** An expression of the WGSL variable `x`: an `f32`, or a `vec4f` for an elementwise operation. */
  wgsl(x: string, width: 1 | 4): string;
}

/**
 * The counterpart in the backward pass: the backward operation of the layer below, applied to each gradient before it
 * is stored.
 */
export interface GradientEpilogue {
  readonly name: string;
  /**
   * An expression of the WGSL variables `g`, the gradient, and `y`, the output of the layer below: `f32`, or `vec4f`
   * for an elementwise operation.
   */
  wgsl(g: string, y: string, width: 1 | 4): string;
}

/** A layer whose backward pass is fused into that of the layer above it. */
export interface LayerBelow {
  readonly epilogue: GradientEpilogue;
  /** Its output, with the shape of the gradient. */
  readonly output: Tensor;
}

/**
 * WGSL that calls `store` with a gradient after the epilogue, if any; `y` is WGSL for the output of the layer below.
 */
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
 * Whether a product should apply an epilogue to its sums itself. On software drivers, the sums exceed the CPU's
 * registers, and any operation on them after the loop makes lavapipe's loop itself slower: conv2 of the paper's network
 * took 46 ms alone, 66 to 70 ms with a mere change of sign after it, and a separate pass takes 1 to 2 ms.
 */
export function fusesIntoProducts({ description }: Gpu): boolean {
  return description.kind === 'hardware';
}

/** Records an epilogue as a separate kernel, in place. */
export function recordEpilogue(recorder: Recorder, label: string, tensor: Tensor, epilogue: Epilogue): void {
  recordElementwise(recorder, {
    label: `${label}/${epilogue.name}`,
    elements: tensor.elements,
    updates: { x: tensor },
    body: `x = ${epilogue.wgsl('x', 1)};`,
  });
}

/** Records the backward operation of the layer below as a separate kernel, in place. */
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
