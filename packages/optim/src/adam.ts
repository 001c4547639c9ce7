import { ConfigError, type LearnedParameter, type Optimizer } from '@alex/tensor';
import { checkNotNegative, checkOptions } from '@alex/tensor/kernels';
import { checkOverrides, checkPatterns, patternsOf, rateName, resolveRate } from './patterns.js';
import { recordBy, scaledBack, type UpdateOf } from './update.js';

export interface AdamOptions {
  /** Default: 0.001. All defaults are those of Kingma and Ba 2015 and of PyTorch. A step may use another rate. */
  readonly learningRate?: number;
  /** Decay of the mean gradient per step. Default: 0.9. */
  readonly beta1?: number;
  /** Decay of the mean squared gradient per step. Default: 0.999. */
  readonly beta2?: number;
  /** Added to the root of the mean squared gradient. Default: 1e-8. */
  readonly epsilon?: number;
  /** Times the weight, this is added to the gradient; for weights only, not biases. Default: 0. */
  readonly weightDecay?: number;
  /** Factors of the learning rate per parameter, layer or kind, as for `sgd`; see `frozen`. */
  readonly overrides?: Readonly<Record<string, { readonly learningRateScale?: number }>>;
}

/**
 * Adam (Kingma and Ba 2015), by PyTorch's formula. In step `t`, counted from 1:
 *
 * ```text
 * g := gradient + weightDecay * w
 * m := beta1 * m + (1 - beta1) * g
 * v := beta2 * v + (1 - beta2) * g * g
 * w := w - rate / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
 * ```
 *
 * State: `m` and `v`, with each parameter's shape. The network provides the step number, which continues in a resumed
 * run. In mixed precision, skipped steps count too.
 *
 * @throws ConfigError if an option is unknown, a number is not finite or negative, or a beta is 1 or more; and, once
 * the network's parameters are known, if an override matches none of them
 */
export function adam(options: AdamOptions = {}): Optimizer {
  checkOptions('adam', options, ['learningRate', 'beta1', 'beta2', 'epsilon', 'weightDecay', 'overrides']);
  const { learningRate = 0.001, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, overrides = {} } = options;
  for (const [name, value] of Object.entries({ learningRate, beta1, beta2, epsilon, weightDecay })) {
    checkNotNegative('adam', name, value);
  }
  for (const [name, value] of Object.entries({ beta1, beta2 })) {
    if (value >= 1) throw new ConfigError(`adam: ${name} must be below 1, got ${value}`);
  }
  checkOverrides('adam', overrides);
  for (const [pattern, override] of Object.entries(overrides)) {
    for (const [field, value] of Object.entries(override)) {
      if (field !== 'learningRateScale') {
        throw new ConfigError(`adam: unknown field '${field}' of override '${pattern}'; known: learningRateScale`);
      }
      checkNotNegative('adam', `learningRateScale of override '${pattern}'`, value);
    }
  }
  const scaleOf = (parameter: LearnedParameter): number => {
    const own = patternsOf(parameter).find((pattern) => overrides[pattern]?.learningRateScale !== undefined);
    return own === undefined ? 1 : overrides[own]!.learningRateScale!;
  };

  const updateOf: UpdateOf = ({ description, parameter, state: { m, v }, gradientFactor }) => {
    if (!m || !v) throw new ConfigError(`adam: no m and v were kept for ${description.path}`);
    // The parameter is not changed at all: with a rate of 0, a weight of -0 would become 0, and one with an infinite
    // gradient NaN.
    if (scaleOf(description) === 0) return undefined;
    const rate = rateName(description);
    const decay = description.decays ? weightDecay : 0;
    return {
      label: `adam/${description.path}`,
      tensors: { parameter, m, v },
      scalars: { [rate]: 'f32', adam_root: 'f32' },
      ...scaledBack(
        gradientFactor,
        (gradient) => `
  let g = ${gradient} + f32(${decay}) * parameter;
  m = f32(${beta1}) * m + f32(${1 - beta1}) * g;
  v = f32(${beta2}) * v + f32(${1 - beta2}) * g * g;
  parameter -= scalar_${rate}() * m / (sqrt(v) / scalar_adam_root() + f32(${epsilon}));`,
      ),
    };
  };

  return {
    kind: 'adam',
    learningRate,
    state: ['m', 'v'],
    scalars(rate, parameters, rates = {}, step = 0) {
      for (const value of [rate, ...Object.values(rates)]) checkNotNegative('adam', 'learningRate', value);
      checkPatterns('adam', [...Object.keys(overrides), ...Object.keys(rates)], parameters);
      const mean = 1 - beta1 ** (step + 1);
      return {
        adam_root: Math.sqrt(1 - beta2 ** (step + 1)),
        ...Object.fromEntries(
          parameters.map((parameter) => [
            rateName(parameter),
            (resolveRate(parameter, rate, rates) * scaleOf(parameter)) / mean,
          ]),
        ),
      };
    },
    record: recordBy(updateOf),
    update: updateOf,
  };
}
