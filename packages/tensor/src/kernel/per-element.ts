import { checkOptions } from '../option-checks.js';
import { maximumWorkgroups, type PerElement, type Recorder } from './recorder.js';

const usualSize = 64;

/**
 * Records a kernel that runs once for each element.
 *
 * @throws ConfigError for an option that is none
 */
export function recordPerElement(recorder: Recorder, options: PerElement): void {
  checkOptions(options?.label ?? 'recordPerElement', options, [
    'label',
    'reads',
    'writes',
    'scalars',
    'vectors',
    'elements',
    'functions',
    'body',
  ]);
  if (recorder.join?.(options)) return;
  const { elements, functions = '', body, ...dispatch } = options;
  const grid = gridOf(elements, turnsOf(elements, recorder.gpu.description.kind));
  recorder.dispatch({
    ...dispatch,
    workgroups: grid.workgroups,
    wgsl: `${functions}
fn atElement(i: u32) {
${body}
}
${grid.main('atElement', 0)}`,
  });
}

/**
 * The grid for `units` of work with up to `turns` units per invocation, and the entry point.
 *
 * @param workgroupSize larger workgroups suit a GPU better if invocations do little
 */
export function gridOf(units: number, turns: number, workgroupSize = usualSize) {
  const { workgroups, number } = workgroupsOf(Math.max(1, Math.ceil(units / (workgroupSize * turns))));
  return {
    workgroups,
    /** Calls `callee` with each unit's number, starting at `first`. */
    main: (callee: string, first: number) => {
      const begin = `let begin = ${first}u + (${number}) * ${workgroupSize * turns}u;`;
      const signature = `@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32)`;
      if (turns === 1) {
        return `${signature} {
  ${begin}
  if (begin + lane < ${first + units}u) { ${callee}(begin + lane); }
}`;
      }
      return `${signature} {
  ${begin}
  // The end is not a constant: drivers would write the loop out.
  let end = min(begin + ${workgroupSize * turns}u, ${first + units}u);
  for (var unit = begin + lane; unit < end; unit += ${workgroupSize}u) { ${callee}(unit); }
}`;
    },
  };
}

/**
 * At least `count` workgroups over two axes, because one axis does not suffice, and WGSL that numbers a
 * `workgroup: vec3u`.
 */
export function workgroupsOf(count: number) {
  const rows = Math.ceil(count / maximumWorkgroups);
  const columns = Math.ceil(count / rows);
  return { workgroups: [columns, rows] as const, number: `workgroup.y * ${columns}u + workgroup.x` };
}

/**
 * The number of units that an invocation processes one after another. Launching a workgroup costs a software driver as
 * much as hundreds of loads: a copy in 64 turns takes a fifth of the time of single turns on lavapipe, and half on
 * SwiftShader. But enough workgroups must remain to keep every core busy to the end. A GPU launches them at no cost.
 */
export function turnsOf(units: number, kind: 'hardware' | 'software'): number {
  const enoughWorkgroups = 64;
  const mostTurns = 64;
  if (kind === 'hardware') return 1;
  return Math.max(1, Math.min(mostTurns, Math.floor(units / (usualSize * enoughWorkgroups))));
}
