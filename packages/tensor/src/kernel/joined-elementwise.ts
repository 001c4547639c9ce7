import { recordPerElement } from './per-element.js';
import type { Dispatch, Elementwise, Recorder } from './recorder.js';
import type { Tensor } from './tensor.js';

/** Elements of which a kernel takes less time than to start it. */
const fewElements = 16_384;

/** Whether elementwise kernels of a tensor had better be joined. */
export function hasFewElements({ elements }: Pick<Tensor, 'elements'>): boolean {
  return elements <= fewElements;
}

/** A recorder whose elementwise kernels of few elements wait until they are recorded together. */
export interface JoiningRecorder extends Recorder {
  /** Records what waits. */
  recordJoined(): void;
}

/**
 * Makes a recorder whose elementwise kernels of few elements wait: starting a kernel costs a GPU more time than they take. What
 * must come before another kernel of this recorder is recorded before it; kernels of other recorders are not known here.
 */
export function joinElementwise(recorder: Recorder): JoiningRecorder {
  let waiting: Elementwise[] = [];
  const recordJoined = () => {
    for (const group of groupsOf(recorder, waiting)) recordGroup(recorder, group);
    waiting = [];
  };
  return {
    ...recorder,
    recordJoined,
    dispatch(dispatch) {
      if (waiting.some((kernel) => conflict(accessOf(kernel), dispatch))) recordJoined();
      recorder.dispatch(dispatch);
    },
    join(kernel) {
      if (!hasFewElements(kernel)) return false;
      if (waiting.some((other) => conflict(accessOf(other), accessOf(kernel)) || !fits(other, kernel))) recordJoined();
      waiting.push(kernel);
      return true;
    },
  };
}

type Access = Pick<Dispatch, 'reads' | 'writes'>;

function accessOf({ reads, updates, writes, also }: Elementwise): Access {
  return { reads: { ...reads, ...also }, writes: { ...updates, ...writes } };
}

/** Whether one must come before the other. */
function conflict(one: Access, other: Access): boolean {
  const touched = ({ reads, writes }: Access) => new Set([...Object.values(reads), ...Object.values(writes)]);
  const [byOne, byOther] = [touched(one), touched(other)];
  return (
    Object.values(one.writes).some((tensor) => byOther.has(tensor)) ||
    Object.values(other.writes).some((tensor) => byOne.has(tensor))
  );
}

/** Whether two kernels mean the same by the names that they have in common. */
function fits(one: Elementwise, other: Elementwise): boolean {
  const agree = <T>(a: Readonly<Record<string, T>> = {}, b: Readonly<Record<string, T>> = {}) =>
    Object.entries(a).every(([name, value]) => (b[name] ?? value) === value);
  return one.functions === other.functions && agree(one.also, other.also) && agree(one.scalars, other.scalars);
}

/** Neighbours that bind no more tensors together than the adapter allows. */
function groupsOf({ gpu }: Recorder, kernels: readonly Elementwise[]): Elementwise[][] {
  const most = gpu.limits.maxStorageBuffersPerShaderStage;
  const groups: Elementwise[][] = [];
  for (const kernel of kernels) {
    const group = groups.at(-1);
    if (group && boundBy([...group, kernel]) <= most) group.push(kernel);
    else groups.push([kernel]);
  }
  return groups;
}

function boundBy(kernels: readonly Elementwise[]): number {
  const accesses = kernels.map(accessOf);
  return new Set(accesses.flatMap(({ reads, writes }) => [...Object.values(reads), ...Object.values(writes)])).size;
}

function recordGroup(recorder: Recorder, kernels: readonly Elementwise[]): void {
  const numbered = (tensors: Readonly<Record<string, Tensor>> = {}, number: number) =>
    Object.entries(tensors).map(([name, tensor]) => [`${name}_${number}`, tensor] as const);
  const all = (pick: (kernel: Elementwise, number: number) => (readonly [string, Tensor])[]) =>
    Object.fromEntries(kernels.flatMap(pick));
  const [{ label, functions = '' }] = kernels as [Elementwise, ...Elementwise[]];
  // Each begins with a workgroup, so that whole workgroups go one way.
  let first = 0;
  const choices = kernels.map(({ elements }, number) => {
    const begin = first;
    first += Math.ceil(elements / 64) * 64;
    return `if (i < ${first}u) { if (i < ${begin + elements}u) { kernel${number}(i - ${begin}u); } return; }`;
  });
  recordPerElement(recorder, {
    label: kernels.length === 1 ? label : `${label} and ${kernels.length - 1} more`,
    elements: first,
    reads: {
      ...all(({ reads }, number) => numbered(reads, number)),
      ...Object.assign({}, ...kernels.map(({ also }) => also)),
    },
    writes: all(({ updates, writes }, number) => numbered({ ...updates, ...writes }, number)),
    scalars: Object.assign({}, ...kernels.map(({ scalars }) => scalars)),
    functions: `${functions}
${kernels.map(functionOf).join('\n')}`,
    body: choices.join('\n'),
  });
}

function functionOf({ reads = {}, updates = {}, writes = {}, body }: Elementwise, number: number): string {
  const loaded = (keyword: string) => (name: string) => `${keyword} ${name} = load_${name}_${number}(i);`;
  const made = ([name, { dataType }]: [string, Tensor]) => `var ${name}: ${dataType === 'u32' ? 'u32' : 'f32'};`;
  return `fn kernel${number}(i: u32) {
${[
  ...Object.keys(reads).map(loaded('let')),
  ...Object.keys(updates).map(loaded('var')),
  ...Object.entries(writes).map(made),
].join('\n')}
${body}
${Object.keys({ ...updates, ...writes })
  .map((name) => `store_${name}_${number}(i, ${name});`)
  .join('\n')}
}`;
}
