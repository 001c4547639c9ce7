import { type Layer, type LayerOptions, type Recorder, type Shape, ShapeError, type Tensor } from '@alex/tensor';
import { recordElementwise, recordRowSums } from '@alex/tensor/kernels';

export interface BatchNormOptions extends LayerOptions {
  /** Keeps the division finite. Default: 1e-5, as in PyTorch. */
  readonly epsilon?: number;
  /** The weight of a batch in the running statistics. Default: 0.1, as in PyTorch. */
  readonly momentum?: number;
}

/**
 * Batch normalization (Ioffe, Szegedy 2015) of activations `[N, C, H, W]` or `[N, F]`: each channel is normalized to
 * mean 0 and variance 1 over the batch, then scaled by `weight` and shifted by `bias`. Evaluation uses the running
 * statistics of training.
 *
 * @throws ShapeError for other shapes, and for a batch with only one value per channel
 */
export function batchNorm(options: BatchNormOptions = {}): Layer {
  const { name = 'batchNorm', epsilon = 1e-5, momentum = 0.1 } = options;
  const layer: Layer = {
    kind: 'batchNorm',
    name,
    outputShape(input) {
      if (input.length !== 2 && input.length !== 4) {
        throw new ShapeError(`${name}: takes [N, C, H, W] or [N, F], got [${input.join(', ')}]`);
      }
      return input;
    },
    parameters: ([, channels = 0]) => [
      { name: 'weight', shape: [channels], initial: { distribution: 'constant', value: 1 }, decays: false },
      { name: 'bias', shape: [channels], initial: { distribution: 'constant', value: 0 }, decays: false },
    ],
    state: ([, channels = 0]) => [
      { name: 'mean', shape: [channels], initial: 0 },
      { name: 'variance', shape: [channels], initial: 1 },
    ],
    multiplyAdds: () => 0,
    // Each channel is normalized by itself, so a column is the same layer with fewer channels.
    column: () => layer,

    forward(recorder, { input, parameters, state, training }) {
      const { weight, bias } = parameters as { weight: Tensor; bias: Tensor };
      const { mean: runningMean, variance: runningVariance } = state as { mean: Tensor; variance: Tensor };
      const { channels, values } = sizesOf(name, input.shape, training);
      const of = rows(recorder, name, channels, values);
      const mean = training ? of.mean('mean', input) : runningMean;
      const variance = training ? of.mean('variance', of.squares(input, mean)) : runningVariance;
      const output = recorder.activation(`${name}/output`, input.shape);
      recordElementwise(recorder, {
        label: `${name}/forward`,
        elements: input.elements,
        reads: { x: input },
        writes: { y: output },
        also: { mean, variance, weight, bias },
        // In memory, a channel's values are contiguous: [C, H, W, N].
        body: `let c = i / ${values}u;
y = (x - load_mean(c)) * inverseSqrt(load_variance(c) + ${epsilon}) * load_weight(c) + load_bias(c);`,
      });
      if (!training) return { output };
      // The variance of a sample underestimates that of its distribution.
      const unbiased = values / (values - 1);
      return {
        output,
        kept: { mean, variance },
        state: {
          mean: of.moved('newMean', runningMean, mean, momentum, 1),
          variance: of.moved('newVariance', runningVariance, variance, momentum, unbiased),
        },
      };
    },

    backward(recorder, { input, parameters, kept, outputGradient, needsInputGradient }) {
      const { weight } = parameters as { weight: Tensor };
      const { mean, variance } = kept as { mean: Tensor; variance: Tensor };
      const { channels, values } = sizesOf(name, input.shape, true);
      const of = rows(recorder, name, channels, values);
      const normalized = `(x - load_mean(c)) * inverseSqrt(load_variance(c) + ${epsilon})`;
      const products = recorder.tensor(`${name}/products`, input.shape);
      recordElementwise(recorder, {
        label: `${name}/products`,
        elements: input.elements,
        reads: { x: input, g: outputGradient },
        writes: { products },
        also: { mean, variance },
        body: `let c = i / ${values}u;\nproducts = g * ${normalized};`,
      });
      const parameterGradients = {
        weight: of.sum('weightGradient', products),
        bias: of.sum('biasGradient', outputGradient),
      };
      if (!needsInputGradient) return { parameterGradients };
      const inputGradient = recorder.activation(`${name}/inputGradient`, input.shape);
      recordElementwise(recorder, {
        label: `${name}/inputGradient`,
        elements: input.elements,
        reads: { x: input, g: outputGradient },
        writes: { inputGradient },
        also: { mean, variance, weight, products: parameterGradients.weight, gradients: parameterGradients.bias },
        body: `let c = i / ${values}u;
let centred = g - (load_gradients(c) + ${normalized} * load_products(c)) / ${values}.0;
inputGradient = centred * load_weight(c) * inverseSqrt(load_variance(c) + ${epsilon});`,
      });
      return { inputGradient, parameterGradients };
    },
  };
  return layer;
}

/** The number of channels, and of values in each. */
function sizesOf(name: string, [images = 0, channels = 0, ...map]: Shape, training: boolean) {
  const values = map.reduce((product, size) => product * size, images);
  if (training && values < 2)
    throw new ShapeError(`${name}: cannot normalize a single value per channel; use a larger batch`);
  return { channels, values };
}

/** Kernels over the channels of an activation, whose memory is the matrix `[channels][values]`. */
function rows(recorder: Recorder, name: string, channels: number, values: number) {
  const sum = (label: string, input: Tensor) => {
    const output = recorder.tensor(`${name}/${label}`, [channels]);
    recordRowSums(recorder, { label: `${name}/${label}`, input, output, rows: channels, columns: values });
    return output;
  };
  return {
    sum,
    mean(label: string, input: Tensor) {
      const mean = recorder.tensor(`${name}/${label}`, [channels]);
      recordElementwise(recorder, {
        label: `${name}/${label}`,
        elements: channels,
        reads: { total: sum(`${label}Sum`, input) },
        writes: { mean },
        body: `mean = total / ${values}.0;`,
      });
      return mean;
    },
    squares(input: Tensor, mean: Tensor) {
      const squares = recorder.tensor(`${name}/squares`, input.shape);
      recordElementwise(recorder, {
        label: `${name}/squares`,
        elements: input.elements,
        reads: { x: input },
        writes: { squares },
        also: { mean },
        body: `let difference = x - load_mean(i / ${values}u);\nsquares = difference * difference;`,
      });
      return squares;
    },
    /** A running value, moved towards that of the batch. */
    moved(label: string, before: Tensor, now: Tensor, momentum: number, factor: number) {
      const after = recorder.tensor(`${name}/${label}`, [channels]);
      recordElementwise(recorder, {
        label: `${name}/${label}`,
        elements: channels,
        reads: { before, now },
        writes: { after },
        body: `after = before + ${momentum} * (now * f32(${factor}) - before);`,
      });
      return after;
    },
  };
}
