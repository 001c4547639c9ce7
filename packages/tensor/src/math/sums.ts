import { recordPerElement, workgroupsOf } from '../kernel/per-element.js';
import type { Recorder } from '../kernel/recorder.js';
import type { Tensor } from '../kernel/tensor.js';
import { inlineUpdate, type Update } from '../kernel/update.js';
import { checkOptions } from '../option-checks.js';

/** A row-major matrix, and the sums of its rows. */
interface RowSums {
  readonly label: string;
  readonly input: Tensor;
  /** The element of `input` where the matrix starts; a binding must be able to start there. Default: 0. */
  readonly first?: number;
  readonly output: Tensor;
  readonly rows: number;
  readonly columns: number;
}

/**
 * Records `output[row] = sum over column of input[row][column]`. Sums are always added in the same order, so the result
 * always has the same bits.
 *
 * @throws ConfigError for an option that is none
 */
export function recordRowSums(recorder: Recorder, sums: RowSums): void {
  checkOptions(sums?.label ?? 'recordRowSums', sums, ['label', 'input', 'first', 'output', 'rows', 'columns']);
  // Barriers cost software drivers more than a second dispatch.
  if (recorder.gpu.description.kind === 'hardware') recordByWorkgroups(recorder, sums);
  else recordByInvocations(recorder, sums);
}

/** The most values that one invocation adds: this keeps rounding small and all lanes busy. */
const longest = 512;

/** An invocation sums a row; long rows are summed in parts first. */
function recordByInvocations(recorder: Recorder, { label, input, first = 0, output, rows, columns }: RowSums): void {
  const from = first === 0 ? '' : `${first}u + `;
  const parts = Math.ceil(columns / longest);
  if (parts === 1) {
    recordPerElement(recorder, {
      label,
      elements: rows,
      reads: { input },
      writes: { output },
      body: `var sum = 0.0;
for (var column = 0u; column < ${columns}u; column++) { sum += load_input(${from}i * ${columns}u + column); }
store_output(i, sum);`,
    });
    return;
  }
  const partSums = recorder.tensor(`${label}/parts`, [rows, parts]);
  recordPerElement(recorder, {
    label: `${label}/parts`,
    elements: rows * parts,
    reads: { input },
    writes: { partSums },
    // Neighbouring invocations read neighbouring columns, `parts` apart from step to step.
    body: `var sum = 0.0;
let row = i / ${parts}u;
for (var column = i % ${parts}u; column < ${columns}u; column += ${parts}u) { sum += load_input(${from}row * ${columns}u + column); }
store_partSums(i, sum);`,
  });
  recordByInvocations(recorder, { label, input: partSums, output, rows, columns: parts });
}

/** Loads in flight per invocation: with fewer, a GPU waits for its memory. */
const loadsAtOnce = 4;

/**
 * One workgroup per row: each invocation sums its share, then all combine their sums through workgroup memory. If the
 * rows are so few and long that most of a GPU would be idle, a workgroup first sums a part of a row.
 */
function recordByWorkgroups(recorder: Recorder, { label, input, first = 0, output, rows, columns }: RowSums): void {
  const enoughWorkgroups = 64;
  const width = columns % 4 === 0 && first % 4 === 0 ? 4 : 1;
  const units = columns / width;
  const { maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupSizeX } = recorder.gpu.limits;
  const most = Math.min(1024, maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupSizeX);
  const lanes = Math.max(32, Math.min(most, 2 ** Math.floor(Math.log2(units / loadsAtOnce))));
  const wanted = Math.min(Math.ceil(enoughWorkgroups / rows), Math.floor(units / (2 * loadsAtOnce * most)));
  const unitsOfPart = Math.ceil(units / Math.max(1, wanted));
  const parts = Math.ceil(units / unitsOfPart);
  const target = parts === 1 ? output : recorder.tensor(`${label}/parts`, [rows, parts]);
  const grid = workgroupsOf(rows * parts);
  const load = width === 4 ? 'load4_input' : 'load_input';
  const turn = Array.from({ length: loadsAtOnce }, (_, index) => index);
  recorder.dispatch({
    label: parts === 1 ? label : `${label}/parts`,
    ...(rows * columns < input.elements && { range: { of: input.elements, first, elements: rows * columns } }),
    reads: { input },
    writes: { target },
    vectors: width === 4 ? ['input'] : [],
    workgroups: grid.workgroups,
    wgsl: `var<workgroup> sums: array<f32, ${lanes}>;
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let number = ${grid.number};
  if (number >= ${rows * parts}u) { return; }
  let first = number / ${parts}u * ${units}u${first === 0 ? '' : ` + ${first / width}u`};
  let begin = first + number % ${parts}u * ${unitsOfPart}u;
  let end = min(begin + ${unitsOfPart}u, first + ${units}u);
  var sum = ${width === 4 ? 'vec4f()' : '0.0'};
  var at = begin + lane;
  for (; at + ${(loadsAtOnce - 1) * lanes}u < end; at += ${loadsAtOnce * lanes}u) {
    ${turn.map((index) => `let x${index} = ${load}(at + ${index * lanes}u);`).join(' ')}
    sum += ${turn.map((index) => `x${index}`).join(' + ')};
  }
  for (; at < end; at += ${lanes}u) { sum += ${load}(at); }
  sums[lane] = ${width === 4 ? 'sum.x + sum.y + sum.z + sum.w' : 'sum'};
  workgroupBarrier();
  for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
    if (lane < half) { sums[lane] += sums[lane + half]; }
    workgroupBarrier();
  }
  if (lane == 0u) { store_target(number, sums[0]); }
}`,
  });
  if (parts > 1) recordByWorkgroups(recorder, { label, input: target, output, rows, columns: parts });
}

/** The parts of a split-K product, and the operation on their sum. */
interface SplitKSum {
  readonly label: string;
  readonly input: Tensor;
  readonly output: Tensor;
  /** Number of parts. */
  readonly splitK: number;
  /** Elements of one part. */
  readonly elements: number;
  /** WGSL that modifies `sum` before it is stored at `i`. */
  readonly finish?: string;
  readonly reads?: Readonly<Record<string, Tensor>>;
  /** The update that the sum makes instead of being stored in `output`. */
  readonly update?: Update | undefined;
}

/**
 * Adds the parts of a split-K product: `output[i] = sum over piece of input[piece][i]`, in the order of the parts.
 *
 * @throws ConfigError for an option that is none
 */
export function recordSplitKSum(recorder: Recorder, sum: SplitKSum): void {
  checkOptions(sum?.label ?? 'recordSplitKSum', sum, [
    'label',
    'input',
    'output',
    'splitK',
    'elements',
    'finish',
    'reads',
    'update',
  ]);
  const { label, input, output, splitK, elements, finish = '', reads = {}, update } = sum;
  // Memory bounds a GPU, which wants large loads; lavapipe took half as long again for them.
  const width = recorder.gpu.description.kind === 'hardware' && elements % 4 === 0 ? 4 : 1;
  const writes = update?.tensors ?? { output };
  recordPerElement(recorder, {
    label,
    elements: elements / width,
    reads: { input, ...reads, ...update?.also },
    writes,
    ...(update?.scalars && { scalars: update.scalars }),
    ...(update?.functions && { functions: update.functions }),
    ...(width === 4
      ? { vectors: ['input', ...Object.keys(writes)], body: sumOfFours(sum) }
      : {
          body: `var sum = 0.0;
for (var part = 0u; part < ${splitK}u; part++) { sum += load_input(part * ${elements}u + i); }
${finish}
${update ? inlineUpdate(update, 1, 'i', 'sum') : 'store_output(i, sum);'}`,
        }),
  });
}

/** Four neighbours per invocation, with loads from several parts in flight at once. */
function sumOfFours({ splitK, elements, finish, update }: SplitKSum): string {
  const load = (part: string) => `load4_input((${part}) * ${elements / 4}u + four)`;
  const rest = splitK % loadsAtOnce;
  const turn = Array.from({ length: loadsAtOnce }, (_, index) => index);
  return `let four = i;
var sums = vec4f();
for (var part = 0u; part < ${splitK - rest}u; part += ${loadsAtOnce}u) {
  ${turn.map((index) => `let x${index} = ${load(`part + ${index}u`)};`).join(' ')}
  sums = sums${turn.map((index) => ` + x${index}`).join('')};
}
${Array.from({ length: rest }, (_, index) => `sums += ${load(`${splitK - rest + index}u`)};`).join(' ')}
${finish ? [...'xyzw'].map((part, index) => `{ let i = four * 4u + ${index}u; var sum = sums.${part}; ${finish} sums.${part} = sum; }`).join('\n') : ''}
${update ? inlineUpdate(update, 4, 'four', 'sums') : 'store4_output(four, sums);'}`;
}
