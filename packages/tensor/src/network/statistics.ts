import { recordPerElement } from '../kernel/per-element.js';
import type { Recorder } from '../kernel/recorder.js';
import type { Tensor, Values } from '../kernel/tensor.js';
import type { Layer } from './layer.js';
import type { NetworkPart } from './part.js';

/** What can be said of many values in three numbers. */
export interface ValueStatistics {
  /** How many are not finite. */
  readonly nonFinite: number;
  /** The largest magnitude, and the mean of all, of those that are finite. */
  readonly largest: number;
  readonly mean: number;
}

/** How a layer fares in one step. */
export interface LayerStatistics {
  readonly layer: string;
  readonly output: ValueStatistics;
  /** Of each parameter, by name: its values, and its gradient. */
  readonly parameters: Readonly<
    Record<string, { readonly value: ValueStatistics; readonly gradient: ValueStatistics }>
  >;
}

/** Invocations that share out a tensor between them. */
const lanes = 256;

/** The shape of the tensor that {@link recordStatistics} writes. */
export const statisticsShape = [3, lanes] as const;

/** Records what {@link statisticsOf} needs to know of a tensor. */
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

/** What was recorded by {@link recordStatistics}, in words. */
export function statisticsOf(values: Values): ValueStatistics {
  const row = (index: number) => [...values.subarray(index * lanes, (index + 1) * lanes)];
  const sum = (numbers: readonly number[]) => numbers.reduce((total, value) => total + value, 0);
  return { nonFinite: sum(row(0)), largest: Math.max(...row(1)), mean: sum(row(2)) };
}

/**
 * What can be said of a whole of so many elements, of which adapters saw parts. Where they saw more than there is, each of
 * them saw all of it.
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

/** The same part of a network, whose forward pass calls `seen` with what each layer gives before anything overwrites it. */
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
