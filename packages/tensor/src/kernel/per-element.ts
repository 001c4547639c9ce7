import { type Dispatch, maximumWorkgroups, type Recorder } from './recorder.js';
import { bytesPerBinding, bytesPerElement } from './tensor.js';

const workgroupSize = 64;

/**
 * Records a kernel that does one thing for each element: `body` is WGSL that sees `i: u32`, below `elements`, and may
 * return early. Neighbouring invocations have neighbouring `i`. `functions` is WGSL of module scope that the body calls.
 */
export function recordPerElement(
  recorder: Recorder,
  options: Omit<Dispatch, 'wgsl' | 'workgroups' | 'range'> & {
    readonly elements: number;
    readonly functions?: string;
    readonly body: string;
    /**
     * Whether the body reaches, of tensors that hold `elements` elements, number `i` only. Where they are too large to be
     * bound at once they are then dealt with part by part, instead of asking at every access which part it is of.
     */
    readonly elementwise?: boolean;
  },
): void {
  const { elements, functions = '', body, elementwise = false, ...dispatch } = options;
  const atOnce = elementwise ? elementsAtOnce(recorder, options) : elements;
  for (let first = 0; first < Math.max(1, elements); first += atOnce) {
    const end = Math.min(elements, first + atOnce);
    const turns = turnsOf(end - first, recorder.gpu.description.kind);
    const workgroups = Math.max(1, Math.ceil((end - first) / (workgroupSize * turns)));
    // More than one axis can count: as near to a square as the limit asks for.
    const rows = Math.ceil(workgroups / maximumWorkgroups);
    const columns = Math.ceil(workgroups / rows);
    recorder.dispatch({
      ...dispatch,
      ...(atOnce < elements && { range: { of: elements, first, elements: end - first } }),
      workgroups: [columns, rows],
      wgsl: `${functions}
fn atElement(i: u32) {
${body}
}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first = ${first}u + (workgroup.y * ${columns}u + workgroup.x) * ${workgroupSize * turns}u + lane;
  for (var turn = 0u; turn < ${turns}u; turn++) {
    let i = first + turn * ${workgroupSize}u;
    if (i < ${end}u) { atElement(i); }
  }
}`,
    });
  }
}

/** As many elements as can be bound at once of each tensor that holds them all. */
function elementsAtOnce(
  { gpu }: Recorder,
  { elements, reads, writes }: Pick<Dispatch, 'reads' | 'writes'> & { readonly elements: number },
): number {
  const sizes = [...Object.values(reads), ...Object.values(writes)]
    .filter((tensor) => tensor.elements === elements)
    .map(({ dataType }) => bytesPerElement(dataType));
  if (sizes.length === 0) return Math.max(1, elements);
  const smallest = gpu.limits.minStorageBufferOffsetAlignment / Math.min(...sizes);
  const most = Math.floor(bytesPerBinding(gpu) / Math.max(...sizes) / smallest) * smallest;
  return elements <= most ? Math.max(1, elements) : most;
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
