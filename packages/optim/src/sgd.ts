import { ConfigError, type LearnedParameter, type Optimizer } from '@alex/tensor';
import { checkNotNegative, checkOptions } from '@alex/tensor/kernels';
import { checkOverrides, checkPatterns, patternsOf, rateName, resolveRate } from './patterns.js';
import { recordBy, scaledBack, type UpdateOf } from './update.js';

/** What differs for one or some parameters. */
export interface SgdOverride {
  /** Factor of the step's learning rate. Default: 1; 0 freezes a parameter. */
  readonly learningRateScale?: number;
  /** Instead of the optimizer's momentum. */
  readonly momentum?: number;
  /** Instead of the optimizer's weight decay. */
  readonly weightDecay?: number;
}

export interface SgdOptions {
  /** Default: 0.01 (section 5 of the paper). A step may use another rate. */
  readonly learningRate?: number;
  /** Fraction of the velocity that survives a step. Default: 0.9 (section 5 of the paper). */
  readonly momentum?: number;
  /** Weight decay, for weights only, not biases. Default: 0.0005 (section 5 of the paper). */
  readonly weightDecay?: number;
  /**
   * Per parameter (`conv1.weight`), layer (`conv1`) or kind of parameter (`*.bias`; `*.weight` also matches `k.weight`
   * of a layer `res`). If several match a parameter, each field is taken from the most specific one: its own name, then
   * its layer's, then its kind's.
   *
   * A weight decay for a layer or for the whole optimizer applies to weights only; one that names biases (`conv1.bias`,
   * `*.bias`) applies to those too.
   */
  readonly overrides?: Readonly<Record<string, SgdOverride>>;
}

/** The rule for one parameter. */
interface Rule {
  readonly learningRateScale: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

/**
 * Stochastic gradient descent with momentum and weight decay, as in section 5 of the paper and in the 2012 code:
 *
 * ```text
 * v := momentum * v - weightDecay * rate * w - rate * gradient
 * w := w + v
 * ```
 *
 * The rate is part of the velocity: after the rate is lowered, velocity gained at the old rate decays by `momentum` per
 * step. So with a rate of 0, a parameter that has moved coasts to a stop; with a `learningRateScale` of 0, it keeps its
 * value exactly. State: `velocity`, with each parameter's shape.
 *
 * The CIFAR-10 nets of cuda-convnet (its layer-params files) all learn at 0.001, with twice the rate for biases, and
 * decay per layer: 80sec 0.004 in convolutions and 0.03 in fc64 and fc10; 19pct and 18pct 0.004 in convolutions, and 3
 * and 1 in fc10; 13pct and 11pct 0 in convolutions and 0.004 in local layers, and 0.004 and 0.01 in fc10. So 18pct,
 * whose fc10 is `fc4` in `cifar-18pct` of `@alex/model-alexnet`, is
 *
 * ```ts
 * sgd({
 *   learningRate: 0.001,
 *   weightDecay: 0.004,
 *   overrides: { '*.bias': { learningRateScale: 2 }, fc4: { weightDecay: 1 } },
 * });
 * ```
 *
 * @throws ConfigError if an option is unknown, a number is not finite or negative, or momentum is 1 or more; and, once
 * the network's parameters are known, if an override matches none of them
 */
export function sgd(options: SgdOptions = {}): Optimizer {
  checkOptions('sgd', options, ['learningRate', 'momentum', 'weightDecay', 'overrides']);
  const { learningRate = 0.01, momentum = 0.9, weightDecay = 0.0005, overrides = {} } = options;
  checkNotNegative('sgd', 'learningRate', learningRate);
  checkFields('', { momentum, weightDecay });
  checkOverrides('sgd', overrides);
  for (const [pattern, override] of Object.entries(overrides)) checkFields(` of override '${pattern}'`, override);

  const ruleOf = (parameter: LearnedParameter): Rule => {
    const [path, layer, ...kinds] = patternsOf(parameter) as [string, string, ...string[]];
    return {
      learningRateScale: 1,
      momentum,
      ...(parameter.decays ? { weightDecay } : { weightDecay: 0 }),
      ...Object.assign({}, ...kinds.reverse().map((kind) => overrides[kind])),
      ...(parameter.decays ? overrides[layer] : withoutDecay(overrides[layer])),
      ...overrides[path],
    };
  };

  const updateOf: UpdateOf = ({ description, parameter, state: { velocity }, gradientFactor }) => {
    if (velocity === undefined) throw new ConfigError(`sgd: no velocity was kept for ${description.path}`);
    const rule = ruleOf(description);
    // Not a rate of 0: then a weight of -0 would become 0, and one with an infinite gradient NaN.
    if (rule.learningRateScale === 0) return undefined;
    const rate = rateName(description);
    return {
      label: `sgd/${description.path}`,
      tensors: { parameter, velocity },
      scalars: { [rate]: 'f32' },
      ...scaledBack(
        gradientFactor,
        (gradient) => `
  velocity = f32(${rule.momentum}) * velocity - scalar_${rate}() * (${gradient} + f32(${rule.weightDecay}) * parameter);
  parameter += velocity;`,
      ),
    };
  };

  return {
    kind: 'sgd',
    learningRate,
    state: ['velocity'],
    scalars(rate, parameters, rates = {}) {
      for (const value of [rate, ...Object.values(rates)]) checkNotNegative('sgd', 'learningRate', value);
      checkPatterns('sgd', [...Object.keys(overrides), ...Object.keys(rates)], parameters);
      return Object.fromEntries(
        parameters.map((parameter) => [
          rateName(parameter),
          resolveRate(parameter, rate, rates) * ruleOf(parameter).learningRateScale,
        ]),
      );
    },
    record: recordBy(updateOf),
    update: updateOf,
  };
}

function withoutDecay({ weightDecay: _, ...rest }: SgdOverride = {}): SgdOverride {
  return rest;
}

function checkFields(where: string, fields: SgdOverride): void {
  for (const [field, value] of Object.entries(fields)) {
    if (!['learningRateScale', 'momentum', 'weightDecay'].includes(field)) {
      throw new ConfigError(`sgd: unknown field '${field}'${where}; known: learningRateScale, momentum, weightDecay`);
    }
    checkNotNegative('sgd', `${field}${where}`, value);
    if (field === 'momentum' && value >= 1) {
      throw new ConfigError(`sgd: momentum${where} must be below 1, or the velocity never decays; got ${value}`);
    }
  }
}
