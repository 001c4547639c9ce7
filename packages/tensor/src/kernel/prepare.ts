import type { Gpu } from '../adapter/gpu.js';
import { ConfigError } from '../errors.js';
import type { GPUBindGroupEntry, GPUBuffer, GPUBufferBindingType } from '../platform/webgpu.js';
import { bindGroupLayout, compile } from './pipelines.js';
import type { Dispatch, ScalarType } from './recorder.js';
import type { BufferPlace } from './segments.js';
import { bytesOf, bytesPerBinding, bytesPerElement, type Tensor } from './tensor.js';
import { type Memory, type Module, moduleText, type Operand, type ScalarSlot } from './wgsl.js';

/** All scalars of the dispatches, each with its position in one table. */
export function scalarTable(dispatches: readonly Dispatch[]): ScalarSlot[] {
  const types = new Map<string, ScalarType>();
  for (const { label, scalars = {} } of dispatches) {
    for (const [name, type] of Object.entries(scalars)) {
      if ((types.get(name) ?? type) !== type) throw new ConfigError(`${label}: the scalar ${name} has two types`);
      types.set(name, type);
    }
  }
  return [...types].map(([name, type], index) => ({ name, type, index }));
}

/** A dispatch's module, and the start of each of its memory ranges. */
interface PlacedModule<Place> {
  readonly module: Module;
  readonly memories: readonly Memory[];
  readonly places: readonly Place[];
}

/** Writes a dispatch's module; tensors at the same position share one memory range. */
export function moduleOf<Place extends Pick<BufferPlace, 'offset'> & { readonly buffer: unknown }>(
  gpu: Gpu,
  dispatch: Dispatch,
  scalars: readonly ScalarSlot[],
  placeOf: (tensor: Tensor) => Place,
): PlacedModule<Place> {
  const places: Place[] = [];
  const memories: Memory[] = [];
  const operands: Operand[] = [];
  const tensors = { ...dispatch.reads, ...dispatch.writes };
  for (const [name, tensor] of Object.entries(tensors)) {
    const stored = name in dispatch.writes;
    const place = placeOf(tensor);
    let memory = places.findIndex(({ buffer, offset }) => buffer === place.buffer && offset === place.offset);
    if (memory < 0) memory = places.push(place) - 1;
    const before = memories[memory];
    const ranged = dispatch.range?.of === tensor.elements ? dispatch.range : { first: 0, elements: tensor.elements };
    memories[memory] = {
      firstElement: ranged.first,
      elements: Math.max(ranged.elements, before?.elements ?? 1),
      dataType: tensor.dataType,
      written: stored || (before?.written ?? false),
      vectors: dispatch.vectors?.includes(name) || (before?.vectors ?? false),
    };
    operands.push({ name, memory, stored });
  }
  const module = moduleText({
    kernel: dispatch.wgsl,
    operands,
    memories,
    scalars: scalars.filter(({ name }) => name in (dispatch.scalars ?? {})),
    scalarCount: scalars.length,
    bytesPerBinding: bytesPerBinding(gpu),
    subgroupSize: gpu.pinnedSubgroupSize,
  });
  return { module, memories, places };
}

/** Resolves a dispatch's tensors to buffers, writes its module, and starts compiling it. */
export function prepare(
  gpu: Gpu,
  dispatch: Dispatch,
  scalars: readonly ScalarSlot[],
  placeOf: (tensor: Tensor) => BufferPlace,
  scalarBuffer: GPUBuffer | undefined,
) {
  const { module, memories, places } = moduleOf(gpu, dispatch, scalars, placeOf);
  const bindingCount = module.bindings.length;
  if (bindingCount > gpu.limits.maxStorageBuffersPerShaderStage) {
    throw new ConfigError(
      `${dispatch.label}: needs ${bindingCount} bindings, the adapter has ${gpu.limits.maxStorageBuffersPerShaderStage}; ` +
        'use a smaller batch',
    );
  }
  const types = module.bindings.map(({ written }): GPUBufferBindingType => (written ? 'storage' : 'read-only-storage'));
  if (module.usesScalars) types.push('uniform');
  const layout = bindGroupLayout(gpu, types);
  const entries: GPUBindGroupEntry[] = module.bindings.map(({ memory, firstElement, elements }, binding) => ({
    binding,
    resource: {
      buffer: places[memory]!.buffer,
      offset: places[memory]!.offset + firstElement * bytesPerElement(memories[memory]!.dataType),
      size: bytesOf({ elements, dataType: memories[memory]!.dataType }),
    },
  }));
  if (module.usesScalars) entries.push({ binding: bindingCount, resource: { buffer: scalarBuffer! } });
  return { dispatch, layout, entries, pipeline: compile(gpu, { label: dispatch.label, code: module.text, types }) };
}
