import { recordElementwise } from '../kernel/elementwise.js';
import { recordPerElement } from '../kernel/per-element.js';
import type { Recorder } from '../kernel/recorder.js';
import { isFiniteWgsl } from '../kernel/special-values.js';
import type { Tensor } from '../kernel/tensor.js';
import { recordRowSums } from '../math/sums.js';
import type { NetworkPart } from './part.js';

/**
 * Dynamic loss scaling. Small gradients would be lost in f16, so the loss, and with it every gradient, is multiplied by
 * a scale before the backward pass. If a gradient overflows, the step changes only the scale, which is halved. After
 * `growAfter` steps without an overflow, the scale is doubled. The adapter decides all of this.
 *
 * The state is one tensor: the scale, the number of steps since it last changed, and the number of skipped steps.
 */
export const lossScale = {
  name: 'lossScale',
  shape: [3],
  initial: Float32Array.of(2 ** 16, 0, 0),
} as const;

/** Powers of two, so that scaling in both directions is exact. */
const bounds = { least: 1, most: 2 ** 24, growAfter: 1000 };

/** Records the multiplication of the loss's gradient by the scale. */
export function recordScaled(recorder: Recorder, gradient: Tensor, scale: Tensor): Tensor {
  const scaled = recorder.activation('lossScale/gradient', gradient.shape);
  recordElementwise(recorder, {
    label: 'lossScale/scale',
    elements: gradient.elements,
    reads: { gradient },
    writes: { scaled },
    also: { scale },
    body: 'scaled = gradient * load_scale(0u);',
  });
  return scaled;
}

/** Records the division of a gradient by the scale. */
export function recordUnscaled(recorder: Recorder, gradient: Tensor, scale: Tensor, result: Tensor): void {
  recordElementwise(recorder, {
    label: `lossScale/unscale/${gradient.label}`,
    elements: gradient.elements,
    reads: { gradient },
    writes: { result },
    also: { scale },
    body: 'result = gradient / load_scale(0u);',
  });
}

/** Invocations that share a tensor: few enough for a CPU, or enough to keep a GPU's memory busy. */
const lanesOf = { software: 1024, hardware: 16_384 };

/**
 * Records the update of the scale after a step. Returns the factor of the step's gradients, `[1]`: 0 if a value of
 * `tensors` is not finite, on any adapter.
 */
export function recordNextScale(
  recorder: Recorder,
  tensors: readonly Tensor[],
  scale: Tensor,
  { index: self, count }: Pick<NetworkPart, 'index' | 'count'>,
): Tensor {
  const lanes = lanesOf[recorder.gpu.description.kind];
  const broken = recorder.tensor('lossScale/broken', [tensors.length, lanes]);
  // As many at once as can be bound in addition to the result.
  const atOnce = recorder.gpu.limits.maxStorageBuffersPerShaderStage - 1;
  for (let first = 0; first < tensors.length; first += atOnce) {
    recordCheck(recorder, tensors.slice(first, first + atOnce), lanes, broken, first);
  }
  const overflow = recorder.tensor('lossScale/overflow', [1]);
  recordRowSums(recorder, {
    label: 'lossScale/overflow',
    input: broken,
    output: overflow,
    rows: 1,
    columns: broken.elements,
  });
  const overflows = recordExchanged(recorder, overflow, self, count);
  const factor = recorder.tensor('lossScale/factor', [1]);
  recordPerElement(recorder, {
    label: 'lossScale/next',
    elements: 1,
    reads: overflows,
    writes: { scale, factor },
    body: `
  let overflow = ${Object.keys(overflows)
    .map((name) => `load_${name}(0u)`)
    .join(' + ')};
  let scale = load_scale(0u);
  if (overflow > 0.0) {
    store_factor(0u, 0.0);
    store_scale(0u, max(scale * 0.5, f32(${bounds.least})));
    store_scale(1u, 0.0);
    store_scale(2u, load_scale(2u) + 1.0);
    return;
  }
  store_factor(0u, 1.0 / scale);
  let steps = load_scale(1u) + 1.0;
  let grows = steps >= f32(${bounds.growAfter});
  store_scale(0u, select(scale, min(scale * 2.0, f32(${bounds.most})), grows));
  store_scale(1u, select(steps, 0.0, grows));`,
  });
  return factor;
}

/** Records for each lane of each tensor whether it has a non-finite value: 1 or 0, in `broken` from row `first` on. */
function recordCheck(
  recorder: Recorder,
  tensors: readonly Tensor[],
  lanes: number,
  broken: Tensor,
  first: number,
): void {
  const widths = tensors.map(({ elements }) => (elements % 4 === 0 ? 4 : 1));
  const checks = tensors.map(({ elements }, index) => {
    const width = widths[index]!;
    const finite = width === 4 ? [...'xyzw'].map((part) => `isFinite(x.${part})`).join(' & ') : 'isFinite(x)';
    return `if (i < ${(index + 1) * lanes}u) {
  for (var unit = i - ${index * lanes}u; unit < ${elements / width}u; unit += ${lanes}u) {
    let x = load${width === 4 ? '4' : ''}_x${index}(unit);
    finite = finite & ${finite};
  }
  store_broken(${first * lanes}u + i, select(1.0, 0.0, finite));
  return;
}`;
  });
  recordPerElement(recorder, {
    label: `lossScale/check/${tensors[0]!.label}${tensors.length > 1 ? ` and ${tensors.length - 1} more` : ''}`,
    elements: tensors.length * lanes,
    reads: Object.fromEntries(tensors.map((tensor, index) => [`x${index}`, tensor])),
    writes: { broken },
    vectors: tensors.flatMap((_, index) => (widths[index] === 4 ? [`x${index}`] : [])),
    functions: isFiniteWgsl,
    body: `var finite = true;
${checks.join('\n')}`,
  });
}

/** A tensor and its counterparts on the other adapters. */
function recordExchanged(recorder: Recorder, own: Tensor, self: number, count: number): Record<string, Tensor> {
  const { label, shape, dataType } = own;
  const peers = Array.from({ length: count }, (_, adapter) => adapter).filter((adapter) => adapter !== self);
  for (const peer of peers) recorder.send({ label, peer, tensor: own });
  const received = peers.map((peer) => {
    const tensor = recorder.tensor(`${label}/from ${peer}`, shape, { dataType });
    recorder.receive({ label, peer, tensor });
    return [`from${peer}`, tensor] as const;
  });
  return { own, ...Object.fromEntries(received) };
}
