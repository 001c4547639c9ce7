import type { SubgroupMatrix } from '@alex/tensor';
import type { Roofline } from '@alex/tensor/kernels';
import type { Precision } from '@alex/tensor/network';
import type { Environment } from '../environment.js';
import type { PeerResult } from '../peers/measure.js';

export interface AdapterFinding {
  readonly kind: 'adapter';
  readonly environment: Environment;
  /** `hardware` or `software`. */
  readonly computes: string;
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
  /** The size of the matrix units, if kernels can use them. */
  readonly matrix?: SubgroupMatrix | undefined;
  readonly roofline: Roofline;
}

/** A kernel, or all dispatches of a layer's direction together. */
export interface KernelTime {
  readonly name: string;
  readonly milliseconds: number;
  /** For products: their rate as a fraction of the best rate of multiply-adds. */
  readonly multiplyAddShare?: number;
}

export interface StepFinding {
  readonly kind: 'step';
  readonly model: string;
  readonly batch: number;
  readonly precision: Precision;
  /** Whether the kernels are the tuner's choices. */
  readonly tuned: boolean;
  readonly imagesPerSecond: number;
  readonly stepMs: number;
  readonly fastestMs: number;
  readonly slowestMs: number;
  readonly firstStepMs: number;
  /** Null, like the next three, if the adapter has no timestamps. */
  readonly productsMs: number | null;
  /** For all products together. */
  readonly multiplyAddShare: number | null;
  readonly otherKernelsMs: number | null;
  readonly notInKernelsMs: number | null;
  /** Longest first. */
  readonly kernels: readonly KernelTime[];
}

export interface TuningFinding {
  readonly kind: 'tuning';
  readonly batch: number;
  readonly precision: Precision;
  readonly tuned: number;
  /** Kernels that were not tuned for lack of time. */
  readonly left: number;
  /** Candidates that failed or were wrong. */
  readonly dropped: readonly { readonly key: string; readonly reason: string }[];
}

export interface LearningFinding {
  readonly kind: 'learning';
  readonly precision: Precision;
  readonly batch: number;
  /** For each step. */
  readonly losses: readonly number[];
  /** Top-1, on images that it was not trained on; undefined if it did not get that far. */
  readonly validationError?: number;
}

export interface TestsFinding {
  readonly kind: 'tests';
  readonly package: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly firstFailure?: string;
}

export interface PeersFinding {
  readonly kind: 'peers';
  readonly batch: number;
  readonly results: readonly PeerResult[];
}

/** The findings of a task. */
export type Finding = AdapterFinding | StepFinding | TuningFinding | LearningFinding | TestsFinding | PeersFinding;

/** The outcome of a task. */
export interface TaskReport {
  readonly name: string;
  readonly outcome: 'done' | 'failed' | 'cut off' | 'not reached';
  readonly seconds: number;
  readonly reason?: string;
  /** All of it, or what was known when the task was stopped early. */
  readonly finding?: Finding;
}

/** The file `gpu-check.json`. */
export interface CheckReport {
  readonly date: string;
  readonly seconds: number;
  readonly tasks: readonly TaskReport[];
  readonly learning?: LearningDifference;
}

/** The difference between the curves of the two precisions. */
export interface LearningDifference {
  /** Steps whose losses are averaged for a point of a curve. */
  readonly stepsPerPoint: number;
  readonly float32: readonly number[];
  readonly mixed: readonly number[];
  readonly largestDifference: number;
}

/** All findings of a kind, in the order of the tasks. */
export function findingsOf<Kind extends Finding['kind']>(
  tasks: readonly TaskReport[],
  kind: Kind,
): Extract<Finding, { kind: Kind }>[] {
  return tasks.flatMap(({ finding }) => (finding?.kind === kind ? [finding as Extract<Finding, { kind: Kind }>] : []));
}
