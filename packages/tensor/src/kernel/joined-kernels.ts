import { recordPerElement } from './per-element.js';
import type { Dispatch, PerElement, Recorder } from './recorder.js';
import { bytesOf, bytesPerBinding, type Tensor } from './tensor.js';

/** For this many elements, a kernel takes less time than its launch, or on a GPU about as much. */
const fewElements = { software: 16_384, hardware: 2 ** 20 };

/** Whether kernels that write a tensor should be joined. */
export function hasFewElements({ gpu }: Pick<Recorder, 'gpu'>, { elements }: Pick<Tensor, 'elements'>): boolean {
  return elements <= fewElements[gpu.description.kind];
}

function makesFewElements(recorder: Recorder, { writes }: PerElement): boolean {
  return Object.values(writes).every((tensor) => hasFewElements(recorder, tensor));
}

/** Functions that access tensors belong to one kernel only. */
const canJoin = ({ functions = '' }: PerElement) => !reachesTensors.test(functions);

/** Whether a kernel can be joined with others, and should be. */
export function mayJoin(recorder: Recorder, kernel: PerElement): boolean {
  return makesFewElements(recorder, kernel) && canJoin(kernel);
}

/** Whether a kernel and others can be one dispatch. */
export function joinsWith(recorder: Recorder, others: readonly PerElement[], kernel: PerElement): boolean {
  return (
    others.every((other) => fits(other, kernel) && !conflict(other, kernel)) &&
    bindingsOf(recorder, [...others, kernel]) <= recorder.gpu.limits.maxStorageBuffersPerShaderStage
  );
}

/** A recorder whose small kernels wait until they are recorded together. */
export interface JoiningRecorder extends Recorder {
  /** Records the waiting kernels. */
  recordJoined(): void;
}

/**
 * Creates a recorder whose small kernels wait, because launching a kernel takes a GPU longer than running it. Kernels
 * that must precede another kernel of this recorder are recorded before it; kernels of other recorders are not known
 * here.
 *
 * @param joins which kernels wait; default: those with few elements
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
 * Records independent elementwise kernels as one dispatch on GPUs: they run at the same time, and only one launch is
 * needed. Software drivers run one after another.
 */
export function recordTogether<Made>(recorder: Recorder, record: (recorder: Recorder) => Made): Made {
  if (recorder.gpu.description.kind !== 'hardware') return record(recorder);
  const joining = joinKernels(recorder, () => true);
  const made = record(joining);
  joining.recordJoined();
  return made;
}

type Access = Pick<Dispatch, 'reads' | 'writes'>;

/** Whether one must precede the other. */
export function conflict(one: Access, other: Access): boolean {
  const touched = ({ reads, writes }: Access) => new Set([...Object.values(reads), ...Object.values(writes)]);
  const [byOne, byOther] = [touched(one), touched(other)];
  return (
    Object.values(one.writes).some((tensor) => byOther.has(tensor)) ||
    Object.values(other.writes).some((tensor) => byOne.has(tensor))
  );
}

/**
 * Whether two kernels can be joined: common names of functions and scalars have the same meaning, and neither kernel
 * may overwrite what the other reads.
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

/** Whether results of a kernel may reuse the memory of another's inputs. */
function overwrites({ writes }: Access, { reads }: Access): boolean {
  const read = new Set(Object.values(reads));
  return Object.values(writes).some(({ mayReuse }) => mayReuse !== undefined && read.has(mayReuse));
}

/** Groups of consecutive kernels that together do not exceed the adapter's bindings. */
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

/** How WGSL accesses a tensor: `load4_NAME(`. */
const reachesTensors = /\b((?:load|store)4?_)(\w+)(?=\()/;

/** Several kernels as one. */
export function joined(kernels: readonly PerElement[]): PerElement {
  const [only] = kernels;
  if (only && kernels.length === 1) return only;
  const numbered = (tensors: Readonly<Record<string, Tensor>>, number: number) =>
    Object.entries(tensors).map(([name, tensor]) => [`${name}_${number}`, tensor] as const);
  const all = (pick: (kernel: PerElement, number: number) => (readonly [string, Tensor])[]) =>
    Object.fromEntries(kernels.flatMap(pick));
  const [{ label, functions = '' }] = kernels as [PerElement, ...PerElement[]];
  // Each starts at a workgroup boundary, so that all invocations of a workgroup take the same branch.
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
