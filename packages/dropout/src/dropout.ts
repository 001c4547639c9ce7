import {
  type Column,
  ConfigError,
  type Layer,
  type LayerOptions,
  type Recorder,
  type Shape,
  type Tensor,
} from '@alex/tensor';
import {
  checkBoolean,
  checkOptions,
  elementsPerImage,
  type GradientEpilogue,
  recordElementwise,
  streamOf,
  threefryWgsl,
} from '@alex/tensor/kernels';

export interface DropoutOptions extends LayerOptions {
  /** Probability of dropping a value, from 0 to below 1, in steps of 2^-24. Default: 0.5 (section 4.2 of the paper). */
  readonly probability?: number;
  /**
   * Whether to divide by the probability of keeping a value in training, instead of multiplying by it at test time.
   * Default: false.
   */
  readonly inverted?: boolean;
}

/**
 * Dropout, for activations of any shape `[N, ...]`, as in the paper and the 2012 code: in training, each value is kept
 * with probability `1 - probability`, otherwise it becomes 0; at test time, every value is multiplied by
 * `1 - probability`. With `inverted`, training divides the kept values by `1 - probability`, and test time changes
 * nothing.
 *
 * The mask depends only on the run's seed, the layer's name, the step, the image and the position of the value. It is
 * the same on any adapter, in one column or two, in one batch or several micro-batches, and after a resume. Layers with
 * different names drop independently.
 *
 * @throws ConfigError if the probability is not a number from 0 to below 1.
 */
export function dropout(options: DropoutOptions = {}): Layer {
  checkOptions('dropout', options, ['name', 'probability', 'inverted']);
  const { probability = 0.5, inverted = false, name = 'dropout' } = options;
  checkBoolean(name, 'inverted', inverted);
  if (!(typeof probability === 'number' && probability >= 0 && probability < 1)) {
    throw new ConfigError(`${name}: probability must be a number from 0 to below 1, got ${probability}`);
  }
  return columnOfDropout({ name, probability, inverted }, { index: 0, count: 1, span: 1 });
}

interface Settings {
  readonly name: string;
  readonly probability: number;
  readonly inverted: boolean;
}

function columnOfDropout(settings: Settings, column: Required<Column>): Layer {
  const { name } = settings;
  return {
    kind: 'dropout',
    name,
    options: { probability: settings.probability, inverted: settings.inverted },
    outputShape: (input) => input,
    parameters: () => [],
    multiplyAdds: () => 0,
    column: ({ index, count, span = 1 }) =>
      columnOfDropout(settings, {
        index: column.index * count + index * column.span,
        count: column.count * count,
        span: span * column.span,
      }),
    forward(recorder, { input, training, firstImage = 0 }) {
      const output = record(recorder, settings, { ...column, firstImage }, training, 'forward', input);
      // An object in `kept`, even an empty one, tells backward that the mask was applied.
      return training ? { output, kept: {} } : { output };
    },
    takesGradientEpilogue: true,
    backward(recorder, { input, kept, outputGradient, needsInputGradient, firstImage = 0, epilogue }) {
      if (!needsInputGradient) return {};
      const training = kept !== undefined;
      const place = { ...column, firstImage };
      const below = epilogue && { epilogue, output: input };
      return { inputGradient: record(recorder, settings, place, training, 'backward', outputGradient, below) };
    },
  };
}

/** The positions of these values in the whole layer. */
interface Place extends Required<Column> {
  readonly firstImage: number;
}

/**
 * Multiplies values by the mask, or at test time by the probability of keeping them. Forward and backward do the same.
 *
 * @param below the operation of the layer below on its output's gradient
 */
function record(
  recorder: Recorder,
  settings: Settings,
  place: Place,
  training: boolean,
  pass: 'forward' | 'backward',
  input: Tensor,
  below?: { readonly epilogue: GradientEpilogue; readonly output: Tensor },
): Tensor {
  const { name, probability, inverted } = settings;
  const keep = 1 - probability;
  const changesNothing = keep === 1 || (inverted && !training);
  if (changesNothing && !below) return input;
  const output = recorder.activation(`${name}/${pass}`, input.shape, { mayReuse: input });
  const { body, ...drawn } = changesNothing
    ? { body: 'output = input;' }
    : training
      ? masked(settings, place, input.shape)
      : { body: `output = input * f32(${keep});` };
  recordElementwise(recorder, {
    label: `${name}/${pass}`,
    elements: input.elements,
    reads: { input, ...(below && { y: below.output }) },
    writes: { output },
    ...drawn,
    body: below ? `${body}\noutput = ${below.epilogue.wgsl('output', 'y', 1)};` : body,
  });
  return output;
}

/**
 * Both passes generate the mask again instead of storing it. Some 80 integer operations per value cost less than
 * writing and reading a tensor, the mask takes no memory between the passes, and both passes work in place.
 */
function masked({ name, probability, inverted }: Settings, { index, count, span, firstImage }: Place, shape: Shape) {
  const keep = 1 - probability;
  const images = shape[0]!;
  const featuresOfColumn = elementsPerImage(shape) / span;
  return {
    scalars: { seed: 'u32', step: 'u32', imagesBefore: 'u32' },
    functions: threefryWgsl,
    body: `
  // The image is the fastest index in memory. A column, and a micro-batch of a step, draw what they would draw in the whole.
  let image = i % ${images}u + ${firstImage}u + scalar_imagesBefore();
  let feature = i / ${images}u + ${index * featuresOfColumn}u;
  let bits = threefry2x32(
    vec2u(scalar_seed(), ${streamOf(name)}u),
    vec2u(image * ${count * featuresOfColumn}u + feature, scalar_step()),
  );
  let kept = f32(bits.x >> 8u) * 0x1p-24 < f32(${keep});
  output = select(0.0, input${inverted ? ` * f32(${1 / keep})` : ''}, kept);`,
  } as const;
}
