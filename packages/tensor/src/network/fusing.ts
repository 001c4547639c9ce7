// Which neighbours among layers do what the other does, so that what passes between them is never stored.
import type { GradientEpilogue } from '../kernel/epilogue.js';
import type { Recorder } from '../kernel/recorder.js';
import type { GradientGather, StreamBelow } from '../kernel/streams.js';
import type { Tensor } from '../kernel/tensor.js';
import type { BackwardInput } from './layer.js';
import type { PartLayer } from './part.js';

/** What a layer read and gave. */
interface Passed {
  readonly input: Tensor;
  readonly output: Tensor;
}

/** What the layer below makes of its output's gradient, where the layer `index` can do it: its input is that very output. */
export function epilogueFromBelow(
  layers: readonly PartLayer[],
  forward: readonly Passed[],
  index: number,
): GradientEpilogue | undefined {
  const [below, own] = [layers[index - 1], layers[index]!];
  if (!below || !own.layer.takesGradientEpilogue || own.gathers || below.gathers || below.spreads) return undefined;
  return forward[index]!.input === forward[index - 1]!.output ? below.layer.gradientEpilogue : undefined;
}

/**
 * What a layer does to `input`, where the one above it can do that. On GPUs, which wait for their memory: software drivers pay for
 * each value that is worked out more than once.
 */
export function streamAbove(
  { gpu }: Recorder,
  own: PartLayer,
  above: PartLayer | undefined,
  input: Tensor,
): StreamBelow | undefined {
  if (gpu.description.kind !== 'hardware' || !above || !meet(own, above) || above.reads || above.splits)
    return undefined;
  if (!above.layer.takesStream?.(gpu, own.layer.outputShape(input.shape))) return undefined;
  const stream = own.layer.stream?.(input.shape);
  return stream && { stream, input };
}

/** How the layer `index` works out the gradient of its input, where the one below can do that. On GPUs, as above. */
export function gatherBelow(
  { gpu }: Recorder,
  layers: readonly PartLayer[],
  index: number,
  values: BackwardInput,
): GradientGather | undefined {
  const [below, own] = [layers[index - 1], layers[index]!];
  if (gpu.description.kind !== 'hardware' || !below || !meet(below, own) || values.epilogue || values.gather)
    return undefined;
  if (own.parameters.length > 0 || !below.layer.takesGather?.(values.input.shape)) return undefined;
  return own.layer.gather?.(values);
}

/** Whether all that a layer gives goes to the one above it as it is, and either can be left out. */
function meet(below: PartLayer, above: PartLayer): boolean {
  return !below.spreads && !above.gathers && !below.state?.length && !above.state?.length;
}
