import type { Dispatch } from './recorder.js';
import { bytesOf, type Tensor } from './tensor.js';

/**
 * Bytes that a dispatch must move: each tensor that it loads from once, and each that it stores to once, a tensor that it
 * changes both ways. What its workgroups fetch again and again is served by caches, and not counted.
 */
export interface Traffic {
  readonly read: number;
  readonly written: number;
}

/** What a dispatch must move; of a dispatch over a range of tensors, of that range. */
export function trafficOf({
  reads,
  writes,
  range,
  wgsl,
}: Pick<Dispatch, 'reads' | 'writes' | 'range' | 'wgsl'>): Traffic {
  const changed = Object.entries(writes).filter(([name]) => new RegExp(`\\b(load|raw)4?_${name}\\(`).test(wgsl));
  const bytes = (tensors: readonly Tensor[]) =>
    [...new Set(tensors)].reduce((sum, { elements, dataType }) => {
      return sum + bytesOf({ elements: range?.of === elements ? range.elements : elements, dataType });
    }, 0);
  return {
    read: bytes([...Object.values(reads), ...changed.map(([, tensor]) => tensor)]),
    written: bytes(Object.values(writes)),
  };
}
