import { stat } from 'node:fs/promises';
import { fromPublished } from '@alex/model-alexnet';
import type { HostTensor } from '@alex/tensor';
import { RunDirectory } from '@alex/trainer';
import { readWeights } from './published.js';
import { describeModel } from './session.js';

/** A starting point for training other than random weights. */
export interface StartingPoint {
  /** The variant and the input of its network, if known. */
  readonly variant?: string;
  readonly inputSize?: number;
  /** Whether it was published by others: then it fits no other network, not even one with the same shapes. */
  readonly isPublished: boolean;
  /** The mean that its images have subtracted, one value per channel. Default: the mean of the data. */
  readonly mean?: readonly number[];
  /** Remarks to print. */
  readonly remarks: readonly string[];
  /**
   * Its weights under this program's names.
   *
   * @param scale the run's divisor of the differences from the mean
   */
  weights(scale: number): Readonly<Record<string, HostTensor>>;
}

/**
 * Reads the starting point of training: a run, a file with its weights, or published weights.
 *
 * @throws ConfigError if there is no run; CheckpointError if the file is not a weights file, saying what it is
 */
export async function startingPoint(path: string): Promise<StartingPoint> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isFolder) return ofRun(path);
  const read = await readWeights(path);
  if (read.form === 'own') return { isPublished: false, remarks: [], weights: () => read.tensors };
  const { form, tensors, classes, remarks } = read;
  const { variant, mean } = form;
  const description = describeModel({ variant, classes });
  return {
    variant,
    isPublished: true,
    mean,
    remarks: remarks.map((remark) => `${path}: ${remark}`),
    weights: (scale) => fromPublished(path, tensors, form, description, scale),
  };
}

async function ofRun(path: string): Promise<StartingPoint> {
  const run = await RunDirectory.open(path);
  const { weights, kind, step } = await run.learnt();
  const { model, images } = run.config;
  return {
    ...model,
    isPublished: false,
    // A mean image has the size of its own images.
    ...(images.meanImage === undefined && { mean: images.mean }),
    remarks:
      kind === 'finished' ? [] : [`${path}: has not finished; starting from its newest checkpoint, of step ${step}.`],
    weights: () => weights,
  };
}
