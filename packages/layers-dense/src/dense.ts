import {
  type Column,
  ConfigError,
  elementsPerImage,
  formatShape,
  type Layer,
  type LayerOptions,
  type ParameterDescription,
  recordProduct,
  recordRowSums,
  type Shape,
  ShapeError,
} from '@alex/tensor';

export interface DenseOptions extends LayerOptions {
  /** Outputs of one image. */
  readonly units: number;
  /** Whether every unit gets a bias; true where it is left out. */
  readonly bias?: boolean;
  readonly initial?: {
    /** Standard deviation of the normal distribution that weights are drawn from; 0.01 (section 5 of the paper). */
    readonly weightDeviation?: number;
    /** What every bias starts with; 0. The paper starts those of its hidden layers at 1. */
    readonly bias?: number;
  };
}

interface Settings {
  readonly name: string;
  readonly units: number;
  readonly bias: boolean;
  readonly weightDeviation: number;
  readonly initialBias: number;
}

/**
 * Fully connected layer: pictures `[N, C, H, W]` or features `[N, F]` to `[N, units]`. Pictures are flattened in the order
 * `C, H, W`, as PyTorch's `flatten` does.
 *
 * Parameters: `weight` `[units, inputs]`, which decays, and `bias` `[units]`, which does not.
 *
 * @throws ConfigError where units are not a whole number of at least 1, or an initial value is not allowed.
 * @throws ShapeError (from the layer's methods) where the input has no features.
 */
export function dense(options: DenseOptions): Layer {
  const { name = 'dense', units, bias = true, initial = {} } = options;
  const { weightDeviation = 0.01, bias: initialBias = 0 } = initial;
  if (!Number.isSafeInteger(units) || units < 1) {
    throw new ConfigError(`${name}: units must be a whole number of at least 1, got ${units}`);
  }
  if (typeof bias !== 'boolean') throw new ConfigError(`${name}: bias must be true or false, got ${String(bias)}`);
  if (!(weightDeviation >= 0 && weightDeviation < Infinity)) {
    throw new ConfigError(`${name}: initial.weightDeviation must be a number of at least 0, got ${weightDeviation}`);
  }
  if (!Number.isFinite(initialBias)) {
    throw new ConfigError(`${name}: initial.bias must be a finite number, got ${initialBias}`);
  }
  return fullyConnected({ name, units, bias, weightDeviation, initialBias });
}

function fullyConnected(settings: Settings): Layer {
  const { name, units, bias } = settings;
  const sizes = (input: Shape) => {
    if (input.length < 2 || input.some((size) => size < 1)) {
      throw new ShapeError(`${name}: expects [N, F] or [N, C, H, W] without empty sizes, got ${formatShape(input)}`);
    }
    return { batch: input[0]!, inputs: elementsPerImage(input) };
  };
  return {
    kind: 'dense',
    name,
    outputShape: (input) => [sizes(input).batch, units],
    parameters: (input) => parametersOf(settings, sizes(input).inputs),
    multiplyAdds: (input) => units * sizes(input).inputs,
    column: (column) => fullyConnected({ ...settings, units: sharedUnits(settings, column) }),
    // In memory the input is the matrix [inputs, N] and the output [units, N], whatever the shapes say.
    forward(recorder, { input, parameters }) {
      const { batch, inputs } = sizes(input.shape);
      const output = recorder.tensor(`${name}/output`, [batch, units]);
      recordProduct(recorder, {
        label: `${name}/forward`,
        a: parameters['weight']!,
        b: input,
        output,
        m: units,
        k: inputs,
        n: batch,
        ...(bias ? { bias: parameters['bias']! } : {}),
      });
      return { output };
    },
    backward(recorder, { input, parameters, outputGradient, needsInputGradient }) {
      const { batch, inputs } = sizes(input.shape);
      const weight = recorder.tensor(`${name}/weightGradient`, [units, inputs]);
      recordProduct(recorder, {
        label: `${name}/weightGradient`,
        a: outputGradient,
        b: input,
        output: weight,
        m: units,
        k: batch,
        n: inputs,
        transposeB: true,
      });
      const parameterGradients: Record<string, typeof weight> = { weight };
      if (bias) {
        const biasGradient = recorder.tensor(`${name}/biasGradient`, [units]);
        recordRowSums(recorder, {
          label: `${name}/biasGradient`,
          input: outputGradient,
          output: biasGradient,
          rows: units,
          columns: batch,
        });
        parameterGradients['bias'] = biasGradient;
      }
      if (!needsInputGradient) return { parameterGradients };
      const inputGradient = recorder.tensor(`${name}/inputGradient`, input.shape);
      recordProduct(recorder, {
        label: `${name}/inputGradient`,
        a: parameters['weight']!,
        b: outputGradient,
        output: inputGradient,
        m: inputs,
        k: units,
        n: batch,
        transposeA: true,
      });
      return { inputGradient, parameterGradients };
    },
  };
}

function parametersOf({ units, bias, weightDeviation, initialBias }: Settings, inputs: number): ParameterDescription[] {
  const weight: ParameterDescription = {
    name: 'weight',
    shape: [units, inputs],
    initial: { distribution: 'normal', standardDeviation: weightDeviation },
    decays: true,
  };
  if (!bias) return [weight];
  const initial = { distribution: 'constant', value: initialBias } as const;
  return [weight, { name: 'bias', shape: [units], initial, decays: false }];
}

function sharedUnits({ name, units }: Settings, { count }: Column): number {
  if (units % count !== 0) {
    throw new ConfigError(`${name}: ${units} units cannot be shared out over ${count} columns; use a multiple`);
  }
  return units / count;
}
