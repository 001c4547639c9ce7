import type { Gpu } from '../adapter/gpu.js';
import { moduleOf, scalarTable } from './prepare.js';
import type { Dispatch } from './recorder.js';
import type { DataType } from './tensor.js';

/** A binding of a kernel, by its number in group 0. */
export interface KernelBinding {
  /** The names by which the kernel accesses it: `input`. */
  readonly names: readonly string[];
  readonly dataType: DataType;
  readonly access: 'read' | 'read_write';
  /** The bound range of the tensor: a tensor larger than the adapter's largest binding has several bindings. */
  readonly firstElement: number;
  readonly elements: number;
}

/** A kernel as the driver's compiler gets it. */
export interface KernelText {
  /** WGSL with all declarations. In a program, an output may share the binding of an input that it overwrites. */
  readonly text: string;
  readonly bindings: readonly KernelBinding[];
}

/** Writes a dispatch's kernel for an adapter, without compiling it. */
export function kernelText(gpu: Gpu, dispatch: Dispatch): KernelText {
  const placeOf = (buffer: unknown) => ({ buffer, offset: 0 });
  const { module, memories, places } = moduleOf(gpu, dispatch, scalarTable([dispatch]), placeOf);
  const tensors = Object.entries({ ...dispatch.reads, ...dispatch.writes });
  const bindings = module.bindings.map(({ memory, firstElement, elements, written }): KernelBinding => {
    const names = tensors.filter(([, tensor]) => tensor === places[memory]!.buffer).map(([name]) => name);
    const { dataType } = memories[memory]!;
    return { names, dataType, access: written ? 'read_write' : 'read', firstElement, elements };
  });
  return { text: module.text, bindings };
}
