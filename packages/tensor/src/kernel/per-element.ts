import { type Dispatch, maximumWorkgroups, type Recorder } from './recorder.js';

const workgroupSize = 64;

/**
 * Records a kernel that does one thing for each element: `body` is WGSL that sees `i: u32`, below `elements`, and may
 * return early. Neighbouring invocations have neighbouring `i`. `functions` is WGSL of module scope that the body calls.
 */
export function recordPerElement(
  recorder: Recorder,
  options: Omit<Dispatch, 'wgsl' | 'workgroups'> & {
    readonly elements: number;
    readonly functions?: string;
    readonly body: string;
  },
): void {
  const { elements, functions = '', body, ...dispatch } = options;
  const turns = turnsOf(elements, recorder.gpu.description.kind);
  const workgroups = Math.max(1, Math.ceil(elements / (workgroupSize * turns)));
  // More than one axis can count: as near to a square as the limit asks for.
  const rows = Math.ceil(workgroups / maximumWorkgroups);
  const columns = Math.ceil(workgroups / rows);
  recorder.dispatch({
    ...dispatch,
    workgroups: [columns, rows],
    wgsl: `${functions}
fn atElement(i: u32) {
${body}
}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first = (workgroup.y * ${columns}u + workgroup.x) * ${workgroupSize * turns}u + lane;
  for (var turn = 0u; turn < ${turns}u; turn++) {
    let i = first + turn * ${workgroupSize}u;
    if (i < ${elements}u) { atElement(i); }
  }
}`,
  });
}

/**
 * How many elements an invocation takes one after another. To start a workgroup costs a software driver as much as
 * hundreds of loads (a copy in 16 turns takes a fifth of the time on lavapipe, half on SwiftShader), but enough of them
 * must be left to keep every core busy to the end. A GPU starts them for nothing.
 */
function turnsOf(elements: number, kind: 'hardware' | 'software'): number {
  const enoughWorkgroups = 256;
  const mostTurns = 16;
  if (kind === 'hardware') return 1;
  return Math.max(1, Math.min(mostTurns, Math.floor(elements / (workgroupSize * enoughWorkgroups))));
}
