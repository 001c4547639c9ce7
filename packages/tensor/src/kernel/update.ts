import { recordElementwise, unitType, unitWgsl } from './elementwise.js';
import type { Elementwise, Recorder } from './recorder.js';
import type { Tensor } from './tensor.js';

/**
 * What each value of a gradient does to the same element of other tensors: of the parameter and the optimizer's state, or of
 * a sum. Whoever makes the gradient may do it on the spot; then the gradient is neither stored nor loaded.
 */
export interface Update extends Pick<Elementwise, 'label' | 'also' | 'scalars' | 'functions'> {
  /** Tensors of the gradient's size that are changed. */
  readonly tensors: Readonly<Record<string, Tensor>>;
  /**
   * WGSL that sees the value as `gradient`, the element's number as `i: u32` and the values of `tensors` by their names, and
   * assigns those. It may declare variables but not return.
   */
  readonly body: string;
}

/** Records an update by a gradient that was stored, as a kernel of its own. */
export function recordUpdate(recorder: Recorder, gradient: Tensor, { tensors, ...update }: Update): void {
  recordElementwise(recorder, { ...update, elements: gradient.elements, reads: { gradient }, updates: tensors });
}

/** WGSL by which a kernel does an update for a value, or four neighbours, of a gradient that it makes. */
export interface UpdateWgsl {
  /** Of module scope. */
  readonly functions: string;
  /** Statements that load what is changed at a place, which counts values or fours; `id` tells places apart. */
  load(place: string, id: string): string;
  /** A statement that changes it, once it was loaded. */
  apply(place: string, gradient: string, id: string): string;
}

/** Writes an update for a kernel that makes the gradient, which must bind the tensors of `update` and its scalars. */
export function updateWgsl({ tensors, body, functions = '' }: Update, width: 1 | 4): UpdateWgsl {
  const names = Object.keys(tensors);
  const loaded = { gradient: { dataType: 'f32' }, ...tensors } as const;
  const inputs = Object.entries(loaded).map(([name, tensor]) => `all_${name}: ${unitType(tensor, width)}`);
  const fours = width === 4 ? '4' : '';
  return {
    functions: `${functions}
fn update(unit: u32, ${inputs.join(', ')}) {
${unitWgsl({ width, loaded, stored: tensors, body })}
}`,
    load: (place, id) => names.map((name) => `let old_${name}_${id} = load${fours}_${name}(${place});`).join(' '),
    apply: (place, gradient, id) =>
      `update(${[place, gradient, ...names.map((name) => `old_${name}_${id}`)].join(', ')});`,
  };
}

/** WGSL that does an update at one place of a kernel. */
export function inlineUpdate({ tensors, body }: Update, width: 1 | 4, place: string, gradient: string): string {
  const fours = width === 4 ? '4' : '';
  const loads = Object.keys(tensors).map((name) => `let all_${name} = load${fours}_${name}(unit);`);
  return `{
let unit = ${place};
let all_gradient = ${gradient};
${loads.join('\n')}
${unitWgsl({ width, loaded: { gradient: { dataType: 'f32' }, ...tensors }, stored: tensors, body })}
}`;
}
