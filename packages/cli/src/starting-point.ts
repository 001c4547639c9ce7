import { stat } from 'node:fs/promises';
import { fromPublished } from '@alex/model-alexnet';
import type { HostTensor } from '@alex/tensor';
import { RunDirectory } from '@alex/trainer';
import { readWeights } from './published.js';
import { describeModel } from './session.js';

/** What a training can start from instead of weights that are drawn. */
export interface StartingPoint {
  /** The network that it is of, where that is known, and its input. */
  readonly variant?: string;
  readonly inputSize?: number;
  /** Whether others published it: then it fits no other network, not even one of the same shapes. */
  readonly isPublished: boolean;
  /** What its images have subtracted, one value a channel. Where nothing is said, the mean of the data. */
  readonly mean?: readonly number[];
  /** What is to be said of it. */
  readonly remarks: readonly string[];
  /**
   * Its weights by this program's names.
   *
   * @param scale what the run divides differences from the mean by
   */
  weights(scale: number): Readonly<Record<string, HostTensor>>;
}

/**
 * Reads what a training is to start from: a run, weights of one in a file, or weights that others published.
 *
 * @throws ConfigError where there is no run; CheckpointError where the file is none of weights, which is named
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
    // A mean image is of the size of its own images.
    ...(images.meanImage === undefined && { mean: images.mean }),
    remarks:
      kind === 'finished' ? [] : [`${path}: has not finished; starting from its newest checkpoint, of step ${step}.`],
    weights: () => weights,
  };
}
