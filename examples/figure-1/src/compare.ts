import { type Curve, epochsTo } from './curve.js';
import type { Activation } from './network.js';
import { seeds } from './plan.js';
import { bestOf, nextRate, searchError } from './search.js';

/** How fast one run reached the target, if it did. */
export interface Arrival {
  readonly seed: number;
  /** Epochs to the target, interpolated between the middles of epochs. */
  readonly epochs?: number;
  /** The same in steps. */
  readonly iterations?: number;
  /** Trained whole epochs. */
  readonly trained: number;
  /** Training error of the last one. */
  readonly error?: number;
}

/** Mean and range of some numbers. */
export interface Spread {
  readonly mean: number;
  readonly least: number;
  readonly most: number;
}

/** An activation at its best rate. */
export interface Comparison {
  readonly activation: Activation;
  readonly learningRate: number;
  /** Whether the search has tried all rates that it needs. */
  readonly searched: boolean;
  readonly arrivals: readonly Arrival[];
  /** For the seeds that reached the target. */
  readonly iterations?: Spread;
  /** Iterations divided by ReLU's, for seeds that both have. */
  readonly ratio?: Spread;
  /** If it has not reached the target yet: a lower bound of the ratio. */
  readonly ratioAbove?: number;
}

/** Compares each activation's runs at its best rate; activations without a usable run are omitted. */
export function compare(curves: readonly Curve[], activations: readonly Activation[]): Comparison[] {
  const rows = activations.flatMap((activation) => ofActivation(curves, activation));
  const relu = rows.find(({ activation }) => activation === 'relu');
  return rows.map((row) => ({ ...row, ...(relu && row !== relu && ratioOf(row, relu)) }));
}

/** Mean, minimum and maximum; undefined for an empty list. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, least: Math.min(...values), most: Math.max(...values) };
}

function ofActivation(curves: readonly Curve[], activation: Activation): Comparison[] {
  const own = curves.filter((curve) => curve.activation === activation);
  const tried = own.filter((curve) => curve.seed === seeds[0] && searchError(curve) !== undefined);
  if (tried.length === 0) return [];
  const { learningRate } = bestOf(tried);
  const arrivals = own.filter((curve) => curve.learningRate === learningRate).map(arrivalOf);
  const iterations = spreadOf(arrivals.flatMap((arrival) => arrival.iterations ?? []));
  return [
    {
      activation,
      learningRate,
      searched: nextRate(tried) === undefined,
      arrivals: arrivals.sort((a, b) => a.seed - b.seed),
      ...(iterations && { iterations }),
    },
  ];
}

function arrivalOf({ seed, errors, stepsPerEpoch }: Curve): Arrival {
  const epochs = epochsTo(errors);
  const error = errors.at(-1);
  return {
    seed,
    trained: errors.length,
    ...(error !== undefined && { error }),
    ...(epochs !== undefined && { epochs, iterations: epochs * stepsPerEpoch }),
  };
}

function ratioOf(row: Comparison, relu: Comparison): Pick<Comparison, 'ratio' | 'ratioAbove'> {
  const pairs = row.arrivals.flatMap((arrival) => {
    const other = relu.arrivals.find(({ seed }) => seed === arrival.seed);
    return other?.epochs === undefined ? [] : [{ own: arrival, other: other.epochs }];
  });
  const ratio = spreadOf(pairs.flatMap(({ own, other }) => (own.epochs === undefined ? [] : own.epochs / other)));
  if (ratio) return { ratio };
  // It was still above the target in the middle of its last epoch.
  const above = Math.max(0, ...pairs.map(({ own, other }) => (own.trained - 0.5) / other));
  return above > 0 ? { ratioAbove: above } : {};
}
