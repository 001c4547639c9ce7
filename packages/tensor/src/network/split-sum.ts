import { recordElementwise } from '../kernel/elementwise.js';
import { recordPerElement } from '../kernel/per-element.js';
import type { Recorder } from '../kernel/recorder.js';
import type { Tensor } from '../kernel/tensor.js';
import type { ForwardInput } from './layer.js';
import { recordLayerForward } from './layer-contract.js';
import type { NetworkPart, PartLayer } from './part.js';
import { recordGather } from './spread.js';

/**
 * Records the forward pass of a layer that sums over its input, piece by piece: it starts with the local piece while
 * the others are in transit. Sums are added in the order of the adapters. Returns the whole input as well, because
 * backward needs it.
 */
export function recordSplitSum(
  recorder: Recorder,
  part: NetworkPart,
  { layer, gathers }: PartLayer,
  below: Tensor,
  { parameters, training, epilogue }: Omit<ForwardInput, 'input'>,
): { readonly input: Tensor; readonly output: Tensor } {
  const spread = gathers!;
  const { weight, bias } = parameters;
  const sums: Tensor[] = [];
  const input = recordGather(recorder, `${layer.name}/input`, below, spread, part.index, (piece, adapter) => {
    const columns = recordColumns(recorder, `${layer.name}/weight/of ${adapter}`, weight!, {
      of: spread.shape[1]!,
      ...spread.ranges[adapter]!,
    });
    const values = { input: piece, parameters: { weight: columns }, training };
    sums[adapter] = recordLayerForward(recorder, layer, values).output;
  });
  const { shape, elements } = sums[0]!;
  const output = recorder.activation(`${layer.name}/output`, shape);
  const terms = sums.map((_, adapter) => `sum${adapter}`);
  const added = [...terms, ...(bias ? [`load_bias(i / ${elements / shape[1]!}u)`] : [])].join(' + ');
  recordElementwise(recorder, {
    label: `${layer.name}/sum`,
    elements,
    reads: Object.fromEntries(sums.map((sum, adapter) => [terms[adapter]!, sum])),
    writes: { output },
    also: bias ? { bias } : {},
    body: `let x = ${added};
output = ${epilogue ? epilogue.wgsl('x', 1) : 'x'};`,
  });
  return { input, output };
}

/** The columns of weights, `[rows, maps, ...]`, that belong to some maps of the input. */
function recordColumns(
  recorder: Recorder,
  label: string,
  weight: Tensor,
  { of, first, count }: { readonly of: number; readonly first: number; readonly count: number },
): Tensor {
  const [rows = 1, ...rest] = weight.shape;
  const row = weight.elements / rows;
  // A dense layer has as many columns per map as the map has values.
  const [begin, length] = [(row / of) * first, (row / of) * count];
  const [inputs = 1, ...kernel] = rest;
  const columns = recorder.tensor(label, [rows, (inputs / of) * count, ...kernel], { dataType: weight.dataType });
  recordPerElement(recorder, {
    label,
    elements: columns.elements,
    reads: { weight },
    writes: { columns },
    body: `store_columns(i, load_weight(i / ${length}u * ${row}u + ${begin}u + i % ${length}u));`,
  });
  return columns;
}
