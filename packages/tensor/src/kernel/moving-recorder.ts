import { conflict, joined, joinsWith, mayJoin } from './joined-kernels.js';
import { recordPerElement } from './per-element.js';
import type { PerElement, Recorder } from './recorder.js';

/**
 * Something that waits to be recorded: kernels for one dispatch, or another operation that keeps its order relative to
 * conflicting ones.
 */
type Waiting =
  | { readonly kernels: PerElement[]; readonly record?: undefined }
  | (Pick<PerElement, 'reads' | 'writes'> & { readonly kernels?: undefined; record(): void });

/**
 * Records what `record` does, but joins small kernels with independent ones: either moves to the other's position, if
 * nothing in between prevents it. Launching a kernel takes a GPU longer than running a small one.
 */
export function recordMoving<Made>(recorder: Recorder, record: (recorder: Recorder) => Made): Made {
  const waiting: Waiting[] = [];
  const made = record({
    ...recorder,
    dispatch(dispatch) {
      waiting.push({ reads: dispatch.reads, writes: dispatch.writes, record: () => recorder.dispatch(dispatch) });
    },
    send(options) {
      waiting.push({ reads: { tensor: options.tensor }, writes: {}, record: () => recorder.send(options) });
    },
    receive(options) {
      waiting.push({ reads: {}, writes: { tensor: options.tensor }, record: () => recorder.receive(options) });
    },
    join(kernel) {
      if (!mayJoin(recorder, kernel)) return false;
      // From the latest on, so that kernels move as little as possible.
      for (let place = waiting.length - 1; place >= 0; place--) {
        const { kernels } = waiting[place]!;
        if (!kernels || !joinsWith(recorder, kernels, kernel)) continue;
        const between = waiting.slice(place + 1);
        const keeps = (moved: PerElement) => between.some((other) => conflicts(other, moved));
        if (!keeps(kernel)) {
          kernels.push(kernel);
          return true;
        }
        if (!kernels.some(keeps)) {
          waiting.splice(place, 1);
          waiting.push({ kernels: [...kernels, kernel] });
          return true;
        }
      }
      waiting.push({ kernels: [kernel] });
      return true;
    },
  });
  for (const { kernels, record } of waiting) {
    if (kernels) recordPerElement(recorder, joined(kernels));
    else record();
  }
  return made;
}

function conflicts(one: Waiting, other: PerElement): boolean {
  return one.kernels ? one.kernels.some((kernel) => conflict(kernel, other)) : conflict(one, other);
}
