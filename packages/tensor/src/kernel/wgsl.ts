import type { ScalarType } from './recorder.js';
import { bytesPerElement, type DataType } from './tensor.js';

/** A tensor as seen by a kernel: a name, and the dispatch's buffer that contains it. */
export interface Operand {
  readonly name: string;
  readonly memory: number;
  readonly stored: boolean;
}

/** One of a dispatch's buffers: the number of bound elements, and whether any are written. */
export interface Memory {
  /**
   * 0, unless a dispatch is one of several that process ranges of its tensors: kernels count from the start of the
   * whole tensors.
   */
  readonly firstElement: number;
  readonly elements: number;
  readonly dataType: DataType;
  readonly written: boolean;
  /** Whether elements are accessed four at a time. */
  readonly vectors: boolean;
}

/** The position of a scalar in the program's table of scalars. */
export interface ScalarSlot {
  readonly name: string;
  readonly type: ScalarType;
  readonly index: number;
}

/** One binding: a buffer, or a part of one that is larger than the adapter's largest binding. */
export interface Binding {
  readonly memory: number;
  readonly firstElement: number;
  readonly elements: number;
  readonly written: boolean;
}

export interface Module {
  readonly text: string;
  readonly bindings: readonly Binding[];
  /** Whether the table of scalars is bound, after the others. */
  readonly usesScalars: boolean;
}

/**
 * Puts the declarations of memory accesses before a kernel: bindings, `load_NAME`, `store_NAME` and `scalar_NAME`, and
 * `raw_NAME` if the kernel calls it. A buffer larger than `bytesPerBinding` becomes several bindings. Values stored as
 * f16 are f32 in the kernel.
 */
export function moduleText(options: {
  readonly kernel: string;
  readonly operands: readonly Operand[];
  readonly memories: readonly Memory[];
  readonly scalars: readonly ScalarSlot[];
  readonly scalarCount: number;
  readonly bytesPerBinding: number;
  /** The subgroup size requested by kernels that use subgroups or share through workgroup memory, if it divides the workgroup. */
  readonly subgroupSize?: number | undefined;
}): Module {
  const { operands, memories, scalars, scalarCount, bytesPerBinding, subgroupSize } = options;
  // A size can only be requested if it divides the first axis of the workgroup.
  const [, across] = /@workgroup_size\((\d+)/.exec(options.kernel) ?? [];
  const pinned =
    subgroupSize !== undefined &&
    Number(across) % subgroupSize === 0 &&
    /\bsubgroup[A-Z]|var<workgroup>/.test(options.kernel);
  const kernel = pinned
    ? options.kernel.replace('@compute', `@compute @subgroup_size(${subgroupSize})`)
    : options.kernel;
  const bindings = memories.flatMap((memory, index) => splitMemory(memory, index, bytesPerBinding));
  const parts = memories.map((_, index) =>
    bindings.flatMap((binding, position) => (binding.memory === index ? [{ binding, position }] : [])),
  );
  const lines: string[] = [];
  if (memories.some(({ dataType }) => dataType === 'f16') || /\bf16\b/.test(kernel)) lines.push('enable f16;');
  if (/\bsubgroup[A-Z]/.test(kernel)) lines.push('enable subgroups;');
  if (pinned) lines.push('enable subgroup_size_control;');
  if (/\bsubgroupMatrix[A-Z]/.test(kernel)) {
    lines.push('enable chromium_experimental_subgroup_matrix;');
    // All lanes of a subgroup must reach these operations, but Dawn requires it of all lanes of a workgroup.
    lines.push('diagnostic(off, chromium.subgroup_matrix_uniformity);');
  }
  bindings.forEach((binding, position) => {
    const access = binding.written ? 'read_write' : 'read';
    const { dataType, vectors } = memories[binding.memory]!;
    const type = vectors ? `vec4<${dataType}>` : dataType;
    lines.push(`@group(0) @binding(${position}) var<storage, ${access}> memory${position}: array<${type}>;`);
  });
  if (scalars.length > 0) {
    lines.push(
      `@group(0) @binding(${bindings.length}) var<uniform> scalars: array<vec4u, ${Math.ceil(scalarCount / 4)}>;`,
    );
  }
  for (const { name, memory, stored } of operands) {
    const { dataType, vectors } = memories[memory]!;
    const unit = vectors ? 4 : 1;
    const suffix = vectors ? '4' : '';
    const typeOf = (element: string) => (vectors ? `vec4<${element}>` : element);
    const value = dataType === 'f16' ? 'f32' : dataType;
    const type = typeOf(value);
    const converted = (to: string, text: string) => (dataType === 'f16' ? `${typeOf(to)}(${text})` : text);
    const each = (statement: (place: string) => string) => eachPart(parts[memory]!, unit, statement);
    const load = each((place) => `return ${converted('f32', place)};`);
    lines.push(`fn load${suffix}_${name}(i: u32) -> ${type} { ${load} }`);
    // For kernels that compute in the stored type.
    if (kernel.includes(`raw${suffix}_${name}(`)) {
      lines.push(`fn raw${suffix}_${name}(i: u32) -> ${typeOf(dataType)} { ${each((place) => `return ${place};`)} }`);
    }
    if (vectors) lines.push(`fn load_${name}(i: u32) -> ${value} { return load4_${name}(i / 4u)[i % 4u]; }`);
    if (stored) {
      const store = each((place) => `${place} = ${converted('f16', 'value')}; return;`);
      lines.push(`fn store${suffix}_${name}(i: u32, value: ${type}) { ${store} }`);
    }
  }
  for (const { name, type, index } of scalars) {
    const word = `scalars[${Math.floor(index / 4)}][${index % 4}]`;
    lines.push(`fn scalar_${name}() -> ${type} { return ${type === 'f32' ? `bitcast<f32>(${word})` : word}; }`);
  }
  return { text: `${lines.join('\n')}\n${kernel}`, bindings, usesScalars: scalars.length > 0 };
}

function splitMemory(memory: Memory, index: number, bytesPerBinding: number): Binding[] {
  const { firstElement, written, dataType } = memory;
  const elementsPerBinding = bytesPerBinding / bytesPerElement(dataType);
  const end = firstElement + memory.elements;
  const parts: Binding[] = [];
  for (let first = firstElement; first < end || first === firstElement; first += elementsPerBinding) {
    const elements = Math.min(elementsPerBinding, end - first);
    parts.push({ memory: index, firstElement: first, elements, written });
  }
  return parts;
}

/** A statement for the part of a buffer that contains element `i`, where `i` counts units of several elements. */
function eachPart(
  parts: readonly { readonly binding: Binding; readonly position: number }[],
  unit: number,
  statement: (place: string) => string,
): string {
  return parts
    .map(({ binding, position }, order) => {
      const index = binding.firstElement === 0 ? 'i' : `i - ${binding.firstElement / unit}u`;
      const body = statement(`memory${position}[${index}]`);
      const last = order === parts.length - 1;
      return last ? body : `if (i < ${(binding.firstElement + binding.elements) / unit}u) { ${body} }`;
    })
    .join(' ');
}
