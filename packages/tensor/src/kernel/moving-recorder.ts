import { conflict, joined, joinsWith, mayJoin } from './joined-kernels.js';
import { recordPerElement } from './per-element.js';
import type { PerElement, Recorder } from './recorder.js';

/** What waits to be recorded: kernels that are one dispatch, or whatever else keeps its place among what it conflicts with. */
type Waiting =
  | { readonly kernels: PerElement[]; readonly record?: undefined }
  | (Pick<PerElement, 'reads' | 'writes'> & { readonly kernels?: undefined; record(): void });

/**
 * Records what `record` does, where kernels of few elements go together with others that they neither need nor are needed
 * by: either goes to the other's place, if nothing between them keeps it from there. Starting a kernel costs a GPU more time than they
 * take.
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
      // From the latest on: what moves, moves as little as it can.
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
