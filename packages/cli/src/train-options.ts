import type { Dataset } from '@alex/data';
import type { Strategy } from '@alex/multi-gpu';
import type { Precision } from '@alex/tensor/network';
import type { RunConfig, RunDirectory } from '@alex/trainer';
import type { ClusterOptions } from './cluster/with-team.js';
import type { DashboardAddress } from './dashboard/dashboard-address.js';
import type { AdapterOptions, TuningOptions } from './options.js';
import type { ScheduleOptions } from './schedule-option.js';
import type { Tuning } from './tuning.js';

/** Options of `train`; defaults come from the network, or from the run that is resumed. */
export interface TrainOptions extends AdapterOptions, TuningOptions, ScheduleOptions, ClusterOptions {
  readonly run: string;
  readonly data?: string;
  readonly model?: string;
  /** A name or a file. Default: that of the model. */
  readonly recipe?: string;
  /** A run or a weights file to start from. */
  readonly from?: string;
  /** Layers to freeze, separated by commas. */
  readonly freeze?: string;
  /** Whether a run may continue with changed data. */
  readonly dataChanged?: boolean;
  /** Fraction of the images that may be unusable. */
  readonly maxRejected?: number;
  readonly classes?: number;
  readonly batch?: number;
  readonly microBatch?: number;
  /** Whether to scale the rate with the batch. */
  readonly scaleRate?: boolean;
  /** In epochs. */
  readonly warmUp?: number;
  readonly steps?: number;
  readonly epochs?: number;
  readonly seed?: number;
  readonly precision?: Precision;
  readonly learningRate?: number;
  readonly crop?: number;
  readonly size?: number;
  readonly randomCrop: boolean;
  readonly mirror: boolean;
  readonly chunk?: number;
  readonly colour: boolean;
  readonly evaluateEvery?: number;
  readonly strategy?: Strategy | 'auto';
  readonly trace?: string;
  readonly checkpointEvery?: number;
  readonly keep?: number;
  /** In bytes. */
  readonly memory?: number;
  readonly onDivergence?: 'stop' | 'rollback';
  readonly resume?: boolean;
  /** The address of the dashboard; `true` for this machine only. */
  readonly dashboard?: DashboardAddress | true;
}

/** A training run before it starts. */
export interface PlannedTraining {
  readonly config: RunConfig;
  readonly dataset: Dataset;
  readonly kernels: Omit<Tuning, 'say'>;
  /** Remarks to print before it starts. */
  readonly remarks?: readonly string[];
  /** Whether it has no checkpoint to continue from. */
  isAtStart(): Promise<boolean>;
  /** Creates or opens the run directory. */
  begin(): Promise<RunDirectory>;
  /** Releases its resources; must be called at the end, even after an error. */
  release(): Promise<void>;
}
