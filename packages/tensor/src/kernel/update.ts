import { recordElementwise, unitType, unitWgsl } from './elementwise.js';
import type { Elementwise, Recorder } from './recorder.js';
import type { Tensor } from './tensor.js';

/**
 * How each value of a gradient updates the same element of other tensors: of the parameter and the optimizer's state, or of
 * a sum. The kernel that computes the gradient may apply this immediately; then the gradient is neither stored nor loaded.
 */
export interface Update extends Pick<Elementwise, 'label' | 'also' | 'scalars' | 'functions'> {
  /** The updated tensors, with the gradient's size. */
  readonly tensors: Readonly<Record<string, Tensor>>;
  /**
   * WGSL that gets the value as `gradient`, the element's index as `i: u32` and the values of `tensors` under their names,
   * and assigns those. It may declare variables but not return.
   */
  readonly body: string;
}

/** Records an update by a stored gradient, as a separate kernel. */
export function recordUpdate(recorder: Recorder, gradient: Tensor, { tensors, ...update }: Update): void {
  recordElementwise(recorder, { ...update, elements: gradient.elements, reads: { gradient }, updates: tensors });
}

/** WGSL with which a kernel applies an update for one value, or four consecutive ones, of a gradient that it computes. */
export interface UpdateWgsl {
  /** Of module scope. */
  readonly functions: string;
  /**
   * Statements that load the values to update at a position, which counts values or groups of four; `id` distinguishes
   * positions.
   */
  load(place: string, id: string): string;
  /** A statement that updates them after they were loaded. */
  apply(place: string, gradient: string, id: string): string;
}

/** Generates an update for a kernel that computes the gradient, which must bind the tensors of `update` and its scalars. */
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

/** WGSL that applies an update at one position of a kernel. */
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
