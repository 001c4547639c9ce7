// The state of a network's layers: what they read, and how it is stored at the end of a step.
import { recordElementwise } from '../kernel/elementwise.js';
import type { Recorder } from '../kernel/recorder.js';
import type { Tensor } from '../kernel/tensor.js';
import type { NetworkTensors } from './network-tensors.js';
import type { NetworkPart } from './part.js';
import { recordSum } from './spread.js';

/** Returns the tensor from which a layer reads a part of its state, by its dotted name. */
export type ReadState = (path: string) => Tensor;

/**
 * The state that layers read in a micro-batch: the stored state in the first of a step (after this many images), and the result
 * of the previous one in the others. So the stored state changes only with the parameters, and a step that stops between
 * micro-batches changes nothing.
 */
export function microBatchState(
  recorder: Recorder,
  { layerState, nextLayerState }: NetworkTensors,
  imagesBeforeFirst: number,
): ReadState {
  const before = new Map<string, Tensor>();
  for (const [path, next] of nextLayerState) {
    const state = recorder.tensor(`${path}/before`, next.shape);
    recordElementwise(recorder, {
      label: `${path}/before`,
      elements: next.elements,
      reads: { stored: layerState.get(path)!, next },
      writes: { state },
      scalars: { imagesBefore: 'u32' },
      body: `if (scalar_imagesBefore() == ${imagesBeforeFirst}u) { state = stored; } else { state = next; }`,
    });
    before.set(path, state);
  }
  return (path) => before.get(path)!;
}

/**
 * Records the update of the layers' state. Adapters that all have the same state store the mean of their new values,
 * with the same bits on each.
 *
 * @param next the new values by dotted name
 * @param factor `[1]`, if given: 0 means that the step is skipped and the state does not change
 */
export function recordStoredState(
  recorder: Recorder,
  part: NetworkPart,
  next: ReadonlyMap<string, Tensor>,
  { layerState }: NetworkTensors,
  factor?: Tensor,
): void {
  const stores: (() => void)[] = [];
  for (const { layer, state = [] } of part.layers) {
    for (const { name, path, share } of state) {
      const made = next.get(path)!;
      const stored = layerState.get(path)!;
      const mean = share === undefined ? () => made : recordMean(recorder, `${layer.name}/${name}`, made, share, part);
      stores.push(() => {
        const x = mean();
        // A layer may return the tensor that it was given.
        if (x === stored) return;
        recordElementwise(recorder, {
          label: `${path}/store`,
          elements: stored.elements,
          reads: { x },
          ...(factor
            ? { updates: { stored }, also: { factor }, body: 'if (load_factor(0u) != 0.0) { stored = x; }' }
            : { writes: { stored }, body: 'stored = x;' }),
        });
      });
    }
  }
  // All sends come before the first receive.
  for (const store of stores) store();
}

/** Sends this adapter's share of a mean to the others. The returned function receives theirs, and returns the mean. */
function recordMean(recorder: Recorder, label: string, x: Tensor, share: number, part: NetworkPart): () => Tensor {
  const weighted = recorder.tensor(`${label}/share`, [x.elements]);
  recordElementwise(recorder, {
    label: `${label}/share`,
    elements: x.elements,
    reads: { x },
    writes: { weighted },
    body: `weighted = f32(${share}) * x;`,
  });
  return recordSum(recorder, label, weighted, part);
}
