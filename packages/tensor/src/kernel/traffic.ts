import type { Dispatch } from './recorder.js';
import { bytesOf, type Tensor } from './tensor.js';

/**
 * The bytes that a dispatch must move: each tensor that it loads counts once, each that it stores counts once, so an
 * updated tensor counts twice. Repeated loads by its workgroups are served by caches and do not count.
 */
export interface Traffic {
  readonly read: number;
  readonly written: number;
}

/** The bytes that a dispatch must move; if it processes a range of its tensors, only those of that range. */
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
