import {
  type BackwardInput,
  type Layer,
  type LayerOptions,
  type ParameterDescription,
  type Recorder,
  type Shape,
  ShapeError,
  type Tensor,
} from '@alex/tensor';
import {
  checkBoolean,
  checkFinite,
  checkNotNegative,
  checkOptions,
  checkWholeNumber,
  elementsPerImage,
  formatShape,
  recordProduct,
  recordUpdate,
  shareOfColumn,
} from '@alex/tensor/kernels';

export interface DenseOptions extends LayerOptions {
  /** Outputs per image. */
  readonly units: number;
  /** Whether units have a bias. Default: true. */
  readonly bias?: boolean;
  /** Initial values of the parameters. */
  readonly initial?: {
    /** Standard deviation of the weights' normal distribution. Default: 0.01 (section 5 of the paper). */
    readonly weightDeviation?: number;
    /** Initial value of every bias. Default: 0. The paper uses 1 in hidden layers. */
    readonly bias?: number;
  };
}

/**
 * A fully connected layer: every unit is a weighted sum of all values of an image. Input `[N, F]`, or images
 * `[N, C, H, W]` (flattened in the order C, H, W); output `[N, units]`.
 *
 * Parameters: `weight` `[units, inputs]`, with weight decay, and `bias` `[units]`, without. In a network with columns,
 * each column has its share of the units.
 *
 * @throws ConfigError if `units` is not a whole number of at least 1, or an initial value is not a finite number
 * @throws ShapeError (from the layer's methods) if the input has no images or no values
 */
export function dense(options: DenseOptions): Layer {
  checkOptions('dense', options, ['name', 'units', 'bias', 'initial']);
  const { name = 'dense', units, bias = true, initial = {} } = options;
  checkOptions(`${name}: initial`, initial, ['weightDeviation', 'bias']);
  const { weightDeviation = 0.01, bias: initialBias = 0 } = initial;
  checkWholeNumber(name, 'units', units);
  checkBoolean(name, 'bias', bias);
  checkNotNegative(name, 'initial.weightDeviation', weightDeviation);
  checkFinite(name, 'initial.bias', initialBias);
  return fullyConnected({ name, units, bias, weightDeviation, initialBias });
}

interface Settings {
  readonly name: string;
  readonly units: number;
  readonly bias: boolean;
  readonly weightDeviation: number;
  readonly initialBias: number;
}

/** Number of images, and of values per image. */
function sizesOf(name: string, input: Shape): { batch: number; inputs: number } {
  const batch = input[0] ?? 0;
  const inputs = elementsPerImage(input);
  if (input.length < 2 || !(batch >= 1) || !(inputs >= 1)) {
    throw new ShapeError(`${name}: expects [N, F] or [N, C, H, W] of at least one value, got ${formatShape(input)}`);
  }
  return { batch, inputs };
}

function fullyConnected(settings: Settings): Layer {
  const { name, units } = settings;
  return {
    kind: 'dense',
    name,
    options: { units, bias: settings.bias },
    outputShape: (input) => [sizesOf(name, input).batch, units],
    parameters(input) {
      const weight: ParameterDescription = {
        name: 'weight',
        shape: [units, sizesOf(name, input).inputs],
        initial: { distribution: 'normal', standardDeviation: settings.weightDeviation },
        decays: true,
      };
      const bias: ParameterDescription = {
        name: 'bias',
        shape: [units],
        initial: { distribution: 'constant', value: settings.initialBias },
        decays: false,
      };
      return settings.bias ? [weight, bias] : [weight];
    },
    multiplyAdds: (input) => units * sizesOf(name, input).inputs,
    column: (column) => fullyConnected({ ...settings, units: shareOfColumn(name, 'units', units, column) }),
    // In memory an activation [N, F] is the matrix [F][N], so that an image [C, H, W, N] is flat already.
    readsParametersOnce: true,
    takesEpilogue: true,
    sumsOverInput: true,
    forward(recorder, { input, parameters, epilogue }) {
      const { batch, inputs } = sizesOf(name, input.shape);
      const output = recorder.activation(`${name}/output`, [batch, units]);
      const { weight, bias } = parameters;
      recordProduct(recorder, {
        label: `${name}/forward`,
        a: weight!,
        b: input,
        output,
        m: units,
        k: inputs,
        n: batch,
        ...(bias ? { bias } : {}),
        epilogue,
      });
      return { output };
    },
    takesUpdates: true,
    backward(recorder, values) {
      const { input, parameters, outputGradient, needsInputGradient, needsParameterGradients = true } = values;
      const { batch, inputs } = sizesOf(name, input.shape);
      const inputGradient = needsInputGradient ? recorder.activation(`${name}/inputGradient`, input.shape) : undefined;
      // Everything that reads the weights comes first: the gradients of the parameters may change them.
      if (inputGradient) {
        recordProduct(recorder, {
          label: `${name}/inputGradient`,
          a: parameters['weight']!,
          transposeA: true,
          b: outputGradient,
          output: inputGradient,
          m: inputs,
          k: units,
          n: batch,
        });
      }
      const parameterGradients = needsParameterGradients ? recordParameterGradients(recorder, settings, values) : {};
      return { ...(inputGradient && { inputGradient }), parameterGradients };
    },
  };
}

/** Records the gradients of the parameters; returns those whose updates were not applied. */
function recordParameterGradients(
  recorder: Recorder,
  { name, units, bias: hasBias }: Settings,
  { input, outputGradient, updates = {} }: BackwardInput,
): Record<string, Tensor> {
  const { batch, inputs } = sizesOf(name, input.shape);
  const weight = recorder.tensor(`${name}/weightGradient`, [units, inputs]);
  const bias = hasBias ? recorder.tensor(`${name}/biasGradient`, [units]) : undefined;
  recordProduct(recorder, {
    label: `${name}/weightGradient`,
    a: outputGradient,
    b: input,
    transposeB: true,
    output: weight,
    m: units,
    k: batch,
    n: inputs,
    update: updates['weight'],
    rowSums: bias,
  });
  if (bias && updates['bias']) recordUpdate(recorder, bias, updates['bias']);
  return {
    ...(!updates['weight'] && { weight }),
    ...(bias && !updates['bias'] && { bias }),
  };
}
