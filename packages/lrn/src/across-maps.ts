import type { Recorder, Tensor } from '@alex/tensor';
import {
  type GradientEpilogue,
  type GradientGather,
  recordPerElement,
  storeGradientAfter,
  sweepParts,
  type ValuesAtOnce,
  valuesOf,
} from '@alex/tensor/kernels';
import { type Formula, formulaWgsl, gradientFactor, type Reach, reachOf } from './formula.js';
import { slidingWindow } from './sliding-window.js';

/** Normalization across maps of images stored as `[C, P]`, where `P` is every position of every image. */
export interface AcrossMaps {
  readonly label: string;
  readonly formula: Formula;
  readonly size: number;
  readonly groups: number;
}

/**
 * One invocation sweeps over a part of a group's maps at one position of one image, or of four neighbouring ones. It
 * loads each map once. Lanes read neighbouring positions; the map is the same for all lanes.
 */
export function recordAcrossMaps(recorder: Recorder, norm: AcrossMaps, input: Tensor, output: Tensor): void {
  const sweep = sweepOf(recorder, norm, input);
  const { values } = sweep;
  const { before, after } = sweep.reach;
  const window = slidingWindow('x', before + 1 + after);
  const sum = window.registers.map((x) => `${x} * ${x}`).join(' + ');
  recordPerElement(recorder, {
    label: `${norm.label}/forward`,
    elements: sweep.invocations,
    reads: { input },
    writes: { output },
    vectors: values.width === 4 ? ['input', 'output'] : [],
    functions: values.types + formulaWgsl(norm.formula),
    body: `
  ${sweep.bounds}
  ${window.declare}
  for (var next = first - ${before}; next < last + ${after}; next++) {
    var x = Values();
    if (next >= low && next < high) { x = load${values.suffix}_input(u32(next * ${sweep.places} + place)); }
    ${window.push('x')}
    let map = next - ${after};
    if (map >= first) {
      store${values.suffix}_output(u32(map * ${sweep.places} + place), ${window.registers[before]} * power(denominator(${sum})));
    }
  }`,
  });
}

/**
 * `dx_i = dy_i * s_i^-beta - 2 * alpha * beta * x_i * sum over j of dy_j * x_j * s_j^(-beta - 1)`, over all `j` whose
 * windows contain `i`. One invocation works as in the forward pass. A window of inputs runs ahead, from which the
 * denominators are recomputed: this costs less than storing and loading them.
 */
export function recordAcrossMapsGradient(
  recorder: Recorder,
  norm: AcrossMaps,
  tensors: { readonly input: Tensor; readonly outputGradient: Tensor; readonly inputGradient: Tensor },
  epilogue: GradientEpilogue | undefined,
  gather: GradientGather | undefined,
): void {
  const { input, outputGradient, inputGradient } = tensors;
  const sweep = sweepOf(recorder, norm, input);
  const { values } = sweep;
  const { before, after } = sweep.reach;
  // The window of map j ends at the map `next`, which was loaded last; the gradient of map i needs j up to i + before.
  const inputs = slidingWindow('x', before + 1 + after);
  const terms = slidingWindow('t', before + 1 + after);
  const direct = slidingWindow('g', before + 1);
  const gradient = gather
    ? { ...gather, begin: `\n  ${placeWgsl(input)}\n  ${gather.begin}` }
    : storedGradient(outputGradient, sweep);
  const sum = inputs.registers.map((x) => `${x} * ${x}`).join(' + ');
  recordPerElement(recorder, {
    label: `${norm.label}/backward`,
    elements: sweep.invocations,
    reads: { input, ...gradient.reads },
    writes: { result: inputGradient },
    vectors: values.width === 4 ? ['input', ...gradient.vectors, 'result'] : [],
    functions: values.types + formulaWgsl(norm.formula),
    body: `
  ${sweep.bounds}
  ${inputs.declare}
  ${terms.declare}
  ${direct.declare}${gradient.begin}
  for (var next = first - ${before + after}; next < last + ${before + after}; next++) {
    var x = Values();
    if (next >= low && next < high) { x = load${values.suffix}_input(u32(next * ${sweep.places} + place)); }
    ${inputs.push('x')}
    let j = next - ${after};
    var g = Values();
    var t = Values();
    if ((j >= max(low, first - ${after})) & (j < high)) {
      let s = denominator(${sum});
      g = ${gradient.at('j')} * power(s);
      t = g * (${inputs.registers[before]} / s);
    }
    ${direct.push('g')}
    ${terms.push('t')}
    let i = j - ${before};
    if (i >= first) {
      ${storeGradientAfter(
        epilogue,
        `${direct.registers[0]} - ${gradientFactor(norm.formula)} * ${inputs.registers[0]} * (${terms.registers.join(' + ')})`,
        inputs.registers[0]!,
        values.width,
        (gradient) => `store${values.suffix}_result(u32(i * ${sweep.places} + place), ${gradient});`,
      )}
    }
  }`,
  });
}

/** The gradient of the output, if it was stored. */
function storedGradient(gradient: Tensor, { values, places }: Sweep): GradientGather {
  return {
    reads: { gradient },
    vectors: ['gradient'],
    begin: '',
    at: (map) => `load${values.suffix}_gradient(u32(${map} * ${places} + place))`,
  };
}

/** WGSL for the row, the column and the image of an invocation's `place`, if it processes four images. */
function placeWgsl({ shape }: Tensor): string {
  const [images, , , width] = shape as [number, number, number, number];
  return `let image = place % ${images / 4};
  let row = place / ${(images / 4) * width};
  let column = place / ${images / 4} % ${width};`;
}

interface Sweep {
  readonly values: ValuesAtOnce;
  readonly reach: Reach;
  /** The number of positions. */
  readonly places: number;
  readonly invocations: number;
  /** WGSL: the invocation's `place`, the maps `[low, high)` of its group and `[first, last)` of its part. */
  readonly bounds: string;
}

function sweepOf({ gpu }: Recorder, { size, groups }: AcrossMaps, input: Tensor): Sweep {
  const [images, channels, height, width] = input.shape as [number, number, number, number];
  const values = valuesOf(images * height * width);
  const places = (images * height * width) / values.width;
  const maps = channels / groups;
  const parts = sweepParts(gpu, maps, places * groups);
  const length = Math.ceil(maps / parts);
  return {
    values,
    reach: reachOf(size, maps),
    places,
    invocations: places * groups * parts,
    bounds: `
  let place = i32(i) % ${places};
  let part = i32(i) / ${places};
  let low = part / ${parts} * ${maps};
  let high = low + ${maps};
  let first = low + part % ${parts} * ${length};
  let last = min(first + ${length}, high);`,
  };
}
