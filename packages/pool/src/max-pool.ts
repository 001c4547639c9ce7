import type { BackwardInput, Layer, Recorder, Tensor } from '@alex/tensor';
import {
  checkOneOf,
  checkOptions,
  forEachOffset,
  type GradientEpilogue,
  type GradientGather,
  recordPerElement,
  valuesOf,
} from '@alex/tensor/kernels';
import { gatherPlace, gatherWindows, sweepWindows } from './kernels.js';
import { checkPooling, type Pooling, type PoolOptions, pooledShape, poolOptionNames } from './pooling.js';

/** Options of `maxPool`. */
export interface MaxPoolOptions extends PoolOptions {
  /**
   * Which of a window's equal maxima gets the gradient: the `first` in row-major order (PyTorch, Caffe, and the
   * default), or `all` of them, each the whole gradient (the 2012 code).
   */
  readonly ties?: 'first' | 'all';
}

/**
 * Max pooling of images: `[N, C, H, W]` to `[N, C, H', W']`, the greatest element of each window (sections 3.4 and 3.5
 * of the paper: size 3, stride 2, so that windows overlap).
 *
 * Padding is never the maximum: a window is clipped to the image. With `rounding: 'ceil'`, a last window may extend
 * beyond the far border if it starts inside the image or its leading padding. NaN counts as greater than any number.
 *
 * @throws ConfigError immediately, for an invalid option; ShapeError if the input is not `[N, C, H, W]` or no window
 * fits
 *
 * @example
 * The paper's, from `[N, 96, 55, 55]` to `[N, 96, 27, 27]`:
 * ```ts
 * maxPool({ size: 3, stride: 2 });
 * ```
 */
export function maxPool(options: MaxPoolOptions): Layer {
  checkOptions('maxPool', options, [...poolOptionNames, 'ties']);
  const pooling = checkPooling('maxPool', options);
  const { name, size, stride } = pooling;
  const ties = options.ties ?? 'first';
  checkOneOf(name, 'ties', ties, ['first', 'all']);
  return {
    kind: 'maxPool',
    name,
    options: { size, stride, padding: pooling.padding, rounding: pooling.rounding, ties },
    window: { size, stride },
    outputShape: (input) => pooledShape(pooling, input),
    parameters: () => [],
    multiplyAdds: () => 0,
    ...(ties === 'first' && {
      gather: ({ input, outputGradient, kept }: BackwardInput) =>
        gatherFirst(pooling, input, outputGradient, kept?.['places']),
    }),
    forward(recorder, { input, training }) {
      const shape = pooledShape(pooling, input.shape);
      const output = recorder.activation(`${name}/output`, shape);
      // With the positions of the maxima, backward needs neither input nor output, so their memory is free.
      const keeps = training && ties === 'first';
      const words = output.elements / (packsPlaces(pooling, input) ? 4 : 1);
      const places = keeps ? recorder.tensor(`${name}/places`, [words], { dataType: 'u32' }) : undefined;
      recordMaxima(recorder, pooling, { input, output, places });
      return places ? { output, kept: { places } } : { output };
    },
    takesGradientEpilogue: true,
    backward(recorder, { input, output, outputGradient, kept, needsInputGradient, epilogue }) {
      if (!needsInputGradient) return {};
      const inputGradient = recorder.activation(`${name}/inputGradient`, input.shape);
      if (ties === 'all') {
        recordGradientToAll(recorder, pooling, { input, output, outputGradient, inputGradient }, epilogue);
        return { inputGradient };
      }
      // Nothing is kept outside training, so the forward pass runs again.
      const { places } = kept ?? this.forward(recorder, { input, parameters: {}, training: true }).kept!;
      const tensors = { input, places: places!, outputGradient, inputGradient };
      recordGradientToFirst(recorder, pooling, tensors, epilogue);
      return { inputGradient };
    },
    column() {
      return this;
    },
  };
}

/** The result of comparisons with NaN depends on the driver; its bits do not. */
const isNan =
  'fn isNan(x: Values) -> Truths { return (bitcast<Places>(x) & Places(0x7fffffffu)) > Places(0x7f800000u); }';

/** Whether the positions for four images are packed into one word, a byte each. */
function packsPlaces({ size }: Pooling, { shape }: Tensor): boolean {
  return valuesOf(shape[0]!).width === 4 && size[0] * size[1] <= 256;
}

/**
 * See `sweepWindows`. If `places` is given, it receives the position of each maximum in its window: the element's
 * number in row-major order.
 */
function recordMaxima(
  recorder: Recorder,
  pooling: Pooling,
  tensors: { readonly input: Tensor; readonly output: Tensor; readonly places: Tensor | undefined },
): void {
  const { input, output, places } = tensors;
  const [batch, , height, width] = input.shape as [number, number, number, number];
  const packs = packsPlaces(pooling, input);
  const storePlaces = (suffix: string) =>
    packs
      ? 'let bytes = best.place << Places(0u, 8u, 16u, 24u); store_places(index, bytes.x | bytes.y | bytes.z | bytes.w);'
      : `store${suffix}_places(index, best.place);`;
  const { values, ...sweep } = sweepWindows(
    recorder,
    pooling,
    input.shape,
    output.shape,
    (rows, { suffix }) => `
    var best = inWindow(${rows[0]}, top, 0);
    ${rows
      .slice(1)
      .map((row, index) => `best = greater(best, inWindow(${row}, top, ${index + 1}));`)
      .join(' ')}
    store${suffix}_output(index, best.value);
    ${places ? storePlaces(suffix) : ''}`,
  );
  const images = batch / values.width;
  recordPerElement(recorder, {
    label: `${pooling.name}/forward`,
    reads: { input },
    writes: places ? { output, places } : { output },
    vectors: values.width === 4 ? ['input', 'output', ...(places && !packs ? ['places'] : [])] : [],
    ...sweep,
    // A window's elements outside the image are replaced by the nearest inside, which the same window contains, so no
    // maximum changes.
    functions: `${values.types}
${isNan}
struct Row { value: Values, place: Places }
fn greater(best: Row, other: Row) -> Row {
  let wins = (other.value > best.value) | isNan(other.value);
  return Row(select(best.value, other.value, wins), select(best.place, other.place, wins));
}
fn inWindow(row: Row, top: i32, number: i32) -> Row {
  return Row(row.value, row.place + Places(u32((clamp(top + number, 0, ${height - 1}) - top) * ${pooling.size[1]})));
}
fn element(start: i32, left: i32, offset: i32) -> Row {
  let column = clamp(left + offset, 0, ${width - 1});
  return Row(load${values.suffix}_input(u32(start + column * ${images})), Places(u32(column - left)));
}
fn reduceRow(base: i32, row: i32, left: i32) -> Row {
  let start = base + clamp(row, 0, ${height - 1}) * ${width * images};
  var best = element(start, left, 0);
  ${forEachOffset(1, pooling.size[1], (offset) => `best = greater(best, element(start, left, ${offset}));`)}
  return best;
}`,
  });
}

/** See `gatherWindows`: an element gets the gradients of the windows whose maximum is at its position. */
function recordGradientToFirst(
  recorder: Recorder,
  pooling: Pooling,
  tensors: {
    readonly input: Tensor;
    readonly places: Tensor;
    readonly outputGradient: Tensor;
    readonly inputGradient: Tensor;
  },
  epilogue: GradientEpilogue | undefined,
): void {
  const { input, places, outputGradient, inputGradient } = tensors;
  const packs = packsPlaces(pooling, input);
  const loadPlaces = (suffix: string) =>
    packs ? '(Places(load_places(index)) >> Places(0u, 8u, 16u, 24u)) & Places(255u)' : `load${suffix}_places(index)`;
  const { values, ...gather } = gatherWindows(pooling, input.shape, outputGradient.shape, {
    forWindow: ({ suffix }) => `let gradient = load${suffix}_gradient(index); let place = ${loadPlaces(suffix)};`,
    share: (_, number) => `select(Values(), gradient, place == Places(${number}))`,
    epilogue,
  });
  recordPerElement(recorder, {
    label: `${pooling.name}/backward`,
    reads: { places, gradient: outputGradient, ...(epilogue && { input }) },
    writes: { result: inputGradient },
    vectors:
      values.width === 4 ? ['gradient', 'result', ...(packs ? [] : ['places']), ...(epilogue ? ['input'] : [])] : [],
    functions: values.types,
    ...gather,
  });
}

/** The same for one position, four images at a time: see `gatherPlace`. */
function gatherFirst(
  pooling: Pooling,
  input: Tensor,
  pooledGradient: Tensor,
  places: Tensor | undefined,
): GradientGather | undefined {
  if (!places || !packsPlaces(pooling, input)) return undefined;
  const gathered = gatherPlace(pooling, input.shape, pooledGradient.shape, (index, number) => {
    const place = `(vec4u(load_places(${index})) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(255u)`;
    return `select(vec4f(), load4_pooledGradient(${index}), (${place}) == vec4u(${number}))`;
  });
  return gathered && { reads: { places, pooledGradient }, vectors: ['pooledGradient'], ...gathered };
}

/** See `gatherWindows`: an element gets the gradients of the windows whose maximum it equals. */
function recordGradientToAll(
  recorder: Recorder,
  pooling: Pooling,
  tensors: {
    readonly input: Tensor;
    readonly output: Tensor;
    readonly outputGradient: Tensor;
    readonly inputGradient: Tensor;
  },
  epilogue: GradientEpilogue | undefined,
): void {
  const { input, output, outputGradient, inputGradient } = tensors;
  const { values, ...gather } = gatherWindows(pooling, input.shape, output.shape, {
    forElement: (e, { suffix }) => `let x${e} = load${suffix}_input(at${e}); let isNan${e} = isNan(x${e});`,
    forWindow: ({ suffix }) =>
      `let gradient = load${suffix}_gradient(index); let maximum = load${suffix}_output(index);`,
    share: (e) => `select(Values(), gradient, (x${e} == maximum) | isNan${e})`,
    epilogue,
  });
  recordPerElement(recorder, {
    label: `${pooling.name}/backward`,
    reads: { input, output, gradient: outputGradient },
    writes: { result: inputGradient },
    vectors: values.width === 4 ? ['input', 'output', 'gradient', 'result'] : [],
    functions: `${values.types}\n${isNan}`,
    ...gather,
  });
}
