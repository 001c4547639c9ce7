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
  /** What matrix units multiply at once, where kernels can use them. */
  readonly matrix?: SubgroupMatrix | undefined;
  readonly roofline: Roofline;
}

/** A kernel, or all dispatches of a layer's direction together. */
export interface KernelTime {
  readonly name: string;
  readonly milliseconds: number;
  /** Of products: their rate as a share of the best rate of multiply-adds. */
  readonly multiplyAddShare?: number;
}

export interface StepFinding {
  readonly kind: 'step';
  readonly model: string;
  readonly batch: number;
  readonly precision: Precision;
  /** Whether the kernels are those that the tuner found. */
  readonly tuned: boolean;
  readonly imagesPerSecond: number;
  readonly stepMs: number;
  readonly fastestMs: number;
  readonly slowestMs: number;
  readonly firstStepMs: number;
  /** Null, as the next three, where the adapter has no timestamps. */
  readonly productsMs: number | null;
  /** Of all products together. */
  readonly multiplyAddShare: number | null;
  readonly otherKernelsMs: number | null;
  readonly notInKernelsMs: number | null;
  /** The longest first. */
  readonly kernels: readonly KernelTime[];
}

export interface TuningFinding {
  readonly kind: 'tuning';
  readonly batch: number;
  readonly precision: Precision;
  readonly tuned: number;
  /** Kernels that time did not suffice for. */
  readonly left: number;
  /** Candidates that failed or were wrong. */
  readonly dropped: readonly { readonly key: string; readonly reason: string }[];
}

export interface LearningFinding {
  readonly kind: 'learning';
  readonly precision: Precision;
  readonly batch: number;
  /** Of each step. */
  readonly losses: readonly number[];
  /** Top-1, on images that it was not trained on; undefined where it did not get so far. */
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

/** What a task found. */
export type Finding = AdapterFinding | StepFinding | TuningFinding | LearningFinding | TestsFinding | PeersFinding;

/** What became of a task. */
export interface TaskReport {
  readonly name: string;
  readonly outcome: 'done' | 'failed' | 'cut off' | 'not reached';
  readonly seconds: number;
  readonly reason?: string;
  /** All of it, or what was known when the task ended before its time. */
  readonly finding?: Finding;
}

/** The file `gpu-check.json`. */
export interface CheckReport {
  readonly date: string;
  readonly seconds: number;
  readonly tasks: readonly TaskReport[];
  readonly learning?: LearningDifference;
}

/** How far the curves of the two precisions are apart. */
export interface LearningDifference {
  /** Steps whose losses are averaged to a point of a curve. */
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
