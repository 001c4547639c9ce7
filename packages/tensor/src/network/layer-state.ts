// Layers' state in a network: what they read of it, and how it is stored at the end of a step.
import { recordElementwise } from '../kernel/elementwise.js';
import type { Recorder } from '../kernel/recorder.js';
import type { Tensor } from '../kernel/tensor.js';
import type { NetworkTensors } from './network-tensors.js';
import type { NetworkPart } from './part.js';
import { recordSum } from './spread.js';

/** Gives, by its dotted name, the tensor in which a layer reads a part of its state. */
export type ReadState = (path: string) => Tensor;

/**
 * What the layers read in a micro-batch: the stored state in the first of a step (which so many images come before), and what the one before left in the others.
 * So the stored state changes only with the parameters, and a step that stops between micro-batches changes nothing.
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
 * Records that the layers' state becomes what they made of it. Adapters that all have the same state store the mean of what
 * they made, the same bits on each.
 *
 * @param next the new values by dotted name
 * @param factor if it is given, `[1]`: 0 means that the step is skipped and the state stays as it is
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
        // A layer may return what it was given.
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
  // What each adapter sends comes before what any waits for.
  for (const store of stores) store();
}

/** Hands the own share of a mean to the other adapters. What it gives takes in theirs, and gives the mean. */
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
