import { recordPerElement } from './per-element.js';
import type { Dispatch, PerElement, Recorder } from './recorder.js';
import { bytesOf, bytesPerBinding, type Tensor } from './tensor.js';

/** Elements of which a kernel takes less time than to start it, or on a GPU about as much. */
const fewElements = { software: 16_384, hardware: 2 ** 20 };

/** Whether kernels that make a tensor had better be joined. */
export function hasFewElements({ gpu }: Pick<Recorder, 'gpu'>, { elements }: Pick<Tensor, 'elements'>): boolean {
  return elements <= fewElements[gpu.description.kind];
}

function makesFewElements(recorder: Recorder, { writes }: PerElement): boolean {
  return Object.values(writes).every((tensor) => hasFewElements(recorder, tensor));
}

/** Functions that reach tensors mean those of one kernel. */
const canJoin = ({ functions = '' }: PerElement) => !reachesTensors.test(functions);

/** Whether a kernel may be joined to others, and had better be. */
export function mayJoin(recorder: Recorder, kernel: PerElement): boolean {
  return makesFewElements(recorder, kernel) && canJoin(kernel);
}

/** Whether a kernel can be one dispatch with others. */
export function joinsWith(recorder: Recorder, others: readonly PerElement[], kernel: PerElement): boolean {
  return (
    others.every((other) => fits(other, kernel) && !conflict(other, kernel)) &&
    bindingsOf(recorder, [...others, kernel]) <= recorder.gpu.limits.maxStorageBuffersPerShaderStage
  );
}

/** A recorder whose kernels of few elements wait until they are recorded together. */
export interface JoiningRecorder extends Recorder {
  /** Records what waits. */
  recordJoined(): void;
}

/**
 * Makes a recorder whose kernels of few elements wait: starting a kernel costs a GPU more time than they take. What must come
 * before another kernel of this recorder is recorded before it; kernels of other recorders are not known here.
 *
 * @param joins which kernels wait; default: those of few elements
 */
export function joinKernels(
  recorder: Recorder,
  joins: (kernel: PerElement) => boolean = (kernel) => makesFewElements(recorder, kernel),
): JoiningRecorder {
  let waiting: PerElement[] = [];
  const recordJoined = () => {
    // Not to be joined again.
    for (const group of groupsOf(recorder, waiting))
      recordPerElement({ ...recorder, join: () => false }, joined(group));
    waiting = [];
  };
  return {
    ...recorder,
    recordJoined,
    dispatch(dispatch) {
      if (waiting.some((kernel) => conflict(kernel, dispatch))) recordJoined();
      recorder.dispatch(dispatch);
    },
    join(kernel) {
      if (!joins(kernel) || !canJoin(kernel)) return false;
      if (waiting.some((other) => conflict(other, kernel) || !fits(other, kernel))) recordJoined();
      waiting.push(kernel);
      return true;
    },
  };
}

/**
 * Records kernels that each do one thing for every element, of which none needs what another makes, as one dispatch on GPUs:
 * they are under way at the same time, and one start is saved. Software drivers do one after another.
 */
export function recordTogether<Made>(recorder: Recorder, record: (recorder: Recorder) => Made): Made {
  if (recorder.gpu.description.kind !== 'hardware') return record(recorder);
  const joining = joinKernels(recorder, () => true);
  const made = record(joining);
  joining.recordJoined();
  return made;
}

type Access = Pick<Dispatch, 'reads' | 'writes'>;

/** Whether one must come before the other. */
export function conflict(one: Access, other: Access): boolean {
  const touched = ({ reads, writes }: Access) => new Set([...Object.values(reads), ...Object.values(writes)]);
  const [byOne, byOther] = [touched(one), touched(other)];
  return (
    Object.values(one.writes).some((tensor) => byOther.has(tensor)) ||
    Object.values(other.writes).some((tensor) => byOne.has(tensor))
  );
}

/**
 * Whether two kernels can be one: they mean the same by the functions and scalars that they have in common, and neither may
 * overwrite what the other reads.
 */
function fits(one: PerElement, other: PerElement): boolean {
  const types = one.scalars ?? {};
  return (
    (one.functions ?? '') === (other.functions ?? '') &&
    Object.entries(other.scalars ?? {}).every(([name, type]) => (types[name] ?? type) === type) &&
    !overwrites(one, other) &&
    !overwrites(other, one)
  );
}

/** Whether results of a kernel may take the memory of what another reads. */
function overwrites({ writes }: Access, { reads }: Access): boolean {
  const read = new Set(Object.values(reads));
  return Object.values(writes).some(({ mayReuse }) => mayReuse !== undefined && read.has(mayReuse));
}

/** Neighbours that bind no more together than the adapter allows. */
function groupsOf(recorder: Recorder, kernels: readonly PerElement[]): PerElement[][] {
  const most = recorder.gpu.limits.maxStorageBuffersPerShaderStage;
  const groups: PerElement[][] = [];
  for (const kernel of kernels) {
    const group = groups.at(-1);
    if (group && bindingsOf(recorder, [...group, kernel]) <= most) group.push(kernel);
    else groups.push([kernel]);
  }
  return groups;
}

function bindingsOf({ gpu }: Recorder, kernels: readonly PerElement[]): number {
  const tensors = new Set(kernels.flatMap(({ reads, writes }) => [...Object.values(reads), ...Object.values(writes)]));
  return [...tensors].reduce((sum, tensor) => sum + Math.ceil(bytesOf(tensor) / bytesPerBinding(gpu)), 0);
}

/** How WGSL reaches a tensor: `load4_NAME(`. */
const reachesTensors = /\b((?:load|store)4?_)(\w+)(?=\()/;

/** Kernels as one. */
export function joined(kernels: readonly PerElement[]): PerElement {
  const [only] = kernels;
  if (only && kernels.length === 1) return only;
  const numbered = (tensors: Readonly<Record<string, Tensor>>, number: number) =>
    Object.entries(tensors).map(([name, tensor]) => [`${name}_${number}`, tensor] as const);
  const all = (pick: (kernel: PerElement, number: number) => (readonly [string, Tensor])[]) =>
    Object.fromEntries(kernels.flatMap(pick));
  const [{ label, functions = '' }] = kernels as [PerElement, ...PerElement[]];
  // Each begins with a workgroup, so that whole workgroups go one way.
  let first = 0;
  const choices = kernels.map(({ elements }, number) => {
    const begin = first;
    first += Math.ceil(elements / 64) * 64;
    return `if (i < ${first}u) { if (i < ${begin + elements}u) { kernel${number}(i - ${begin}u); } return; }`;
  });
  const own = ({ body }: PerElement, number: number) => `fn kernel${number}(i: u32) {
${body.replaceAll(new RegExp(reachesTensors, 'g'), `$1$2_${number}`)}
}`;
  return {
    label: `${label} and ${kernels.length - 1} more`,
    elements: first,
    reads: all(({ reads }, number) => numbered(reads, number)),
    writes: all(({ writes }, number) => numbered(writes, number)),
    vectors: kernels.flatMap(({ vectors = [] }, number) => vectors.map((name) => `${name}_${number}`)),
    scalars: Object.assign({}, ...kernels.map(({ scalars }) => scalars)),
    functions: `${functions}
${kernels.map(own).join('\n')}`,
    body: choices.join('\n'),
  };
}
