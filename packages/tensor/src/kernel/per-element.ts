import { type Dispatch, maximumWorkgroups, type Recorder } from './recorder.js';

const workgroupSize = 64;

/**
 * Records a kernel of one invocation an element: `body` is WGSL that sees `i: u32`, below `elements`. Neighbouring
 * invocations have neighbouring `i`. `functions` is WGSL of module scope that the body calls.
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
  const workgroups = Math.max(1, Math.ceil(elements / workgroupSize));
  // More than one axis can count: as near to a square as the limit asks for.
  const rows = Math.ceil(workgroups / maximumWorkgroups);
  const columns = Math.ceil(workgroups / rows);
  recorder.dispatch({
    ...dispatch,
    workgroups: [columns, rows],
    wgsl: `${functions}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (workgroup.y * ${columns}u + workgroup.x) * ${workgroupSize}u + lane;
  if (i >= ${elements}u) { return; }
${body}
}`,
  });
}
