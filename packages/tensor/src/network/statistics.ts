import { recordPerElement } from '../kernel/per-element.js';
import type { Recorder } from '../kernel/recorder.js';
import type { Tensor, Values } from '../kernel/tensor.js';
import type { Layer } from './layer.js';
import type { NetworkPart } from './part.js';

/** Three numbers that summarize many values. */
export interface ValueStatistics {
  /** Number of values that are not finite. */
  readonly nonFinite: number;
  /** Over the finite values: the largest magnitude, and the mean magnitude. */
  readonly largest: number;
  readonly mean: number;
}

/** Statistics of a layer in one step. */
export interface LayerStatistics {
  readonly layer: string;
  readonly output: ValueStatistics;
  /** For each parameter, by name: its values, and its gradient. */
  readonly parameters: Readonly<
    Record<string, { readonly value: ValueStatistics; readonly gradient: ValueStatistics }>
  >;
}

/** Invocations that share a tensor. */
const lanes = 256;

/** The shape of the tensor that {@link recordStatistics} writes. */
export const statisticsShape = [3, lanes] as const;

/** Records the partial results from which {@link statisticsOf} computes the statistics of a tensor. */
export function recordStatistics(recorder: Recorder, x: Tensor, result: Tensor): void {
  recordPerElement(recorder, {
    label: `${x.label}/statistics`,
    elements: lanes,
    reads: { x },
    writes: { result },
    body: `
  var broken = 0.0;
  var largest = 0.0;
  var sum = 0.0;
  for (var at = i; at < ${x.elements}u; at += ${lanes}u) {
    let bits = bitcast<u32>(f32(load_x(at))) & 0x7fffffffu;
    // By its bits, because drivers may assume that every value is finite.
    if (bits >= 0x7f800000u) { broken += 1.0; continue; }
    let magnitude = bitcast<f32>(bits);
    largest = max(largest, magnitude);
    sum += magnitude / ${x.elements}.0;
  }
  store_result(i, broken);
  store_result(i + ${lanes}u, largest);
  store_result(i + ${2 * lanes}u, sum);`,
  });
}

/** The statistics from the results of {@link recordStatistics}. */
export function statisticsOf(values: Values): ValueStatistics {
  const row = (index: number) => [...values.subarray(index * lanes, (index + 1) * lanes)];
  const sum = (numbers: readonly number[]) => numbers.reduce((total, value) => total + value, 0);
  return { nonFinite: sum(row(0)), largest: Math.max(...row(1)), mean: sum(row(2)) };
}

/**
 * The statistics of a tensor with this many elements, of which each adapter saw a part. If they saw more elements than
 * there are, each of them saw the whole.
 */
export function combined(
  parts: readonly (ValueStatistics & { readonly elements: number })[],
  elements: number,
): ValueStatistics {
  const seen = parts.reduce((sum, part) => sum + part.elements, 0);
  const counted = seen > elements ? parts.slice(0, 1) : parts;
  return {
    nonFinite: counted.reduce((sum, { nonFinite }) => sum + nonFinite, 0),
    largest: Math.max(0, ...counted.map(({ largest }) => largest)),
    mean: counted.reduce((sum, part) => sum + (part.mean * part.elements) / Math.min(seen, elements), 0),
  };
}

/**
 * The same part of a network, whose forward pass calls `seen` with each layer's output before anything overwrites it.
 */
export function watched(
  part: NetworkPart,
  seen: (recorder: Recorder, layer: Layer, output: Tensor) => void,
): NetworkPart {
  const layers = part.layers.map((placed) => {
    const { layer } = placed;
    const forward: Layer['forward'] = (recorder, values) => {
      const result = layer.forward(recorder, values);
      seen(recorder, layer, result.output);
      return result;
    };
    return { ...placed, layer: { ...layer, forward } };
  });
  return { ...part, layers };
}
