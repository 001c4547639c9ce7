import { batchesPerEpoch } from '@alex/data';
import type { Images, Net, Stage, Task } from './nets.js';

/** The paper's, and cuda-convnet's. */
export const batch = 128;

/** A stage with its position in the training run. */
export interface PlacedStage extends Stage {
  readonly stepsPerEpoch: number;
  /** Total steps at its end. */
  readonly end: number;
}

/** A folder of prepared images for each kind of stage, and its number of training images. */
export type Folders = Readonly<Record<Images, { readonly path: string; readonly images: number }>>;

/** Lines up the stages of a training run, in steps; those that a task does not reach are cut off. */
export function placeStages({ net, epochs = Number.POSITIVE_INFINITY }: Task, folders: Folders): PlacedStage[] {
  let end = 0;
  let left = epochs;
  return net.stages.flatMap((stage) => {
    const own = Math.min(stage.epochs, left);
    left -= own;
    const stepsPerEpoch = batchesPerEpoch(folders[stage.images].images, { batch });
    end += own * stepsPerEpoch;
    return own > 0 ? [{ ...stage, epochs: own, stepsPerEpoch, end }] : [];
  });
}

/** Epochs after this many steps, although stages have different numbers of images. */
export function epochsAt(stages: readonly PlacedStage[], step: number): number {
  let begin = 0;
  let epochs = 0;
  for (const { end, stepsPerEpoch } of stages) {
    epochs += Math.max(0, Math.min(step, end) - begin) / stepsPerEpoch;
    begin = end;
  }
  return epochs;
}

/**
 * The arguments of `alexnet` that train a run to the end of a stage. They can be repeated: changes to the existing run are made
 * only once.
 */
export function trainArguments(
  { net, seed }: Task,
  stage: PlacedStage,
  { run, folders, isFirst }: { readonly run: string; readonly folders: Folders; readonly isFirst: boolean },
): string[] {
  const { images, learningRate, end } = stage;
  return [
    ...['train', '--run', run, '--resume', '--recipe', net.name, '--seed', `${seed}`],
    ...['--data', folders[images].path, '--steps', `${end}`],
    ...['--evaluate-every', `${net.evaluateEvery}`, '--checkpoint-every', '100'],
    // If the learning rate was lowered by hand in 2012, the next stage does so; other recipes have a schedule.
    ...(isByHand(net) ? ['--schedule', 'constant'] : []),
    ...(learningRate === undefined ? [] : ['--learning-rate', `${learningRate}`]),
    ...(isFirst ? [] : ['--data-changed']),
  ];
}

function isByHand({ stages }: Net): boolean {
  return stages.some(({ learningRate }) => learningRate !== undefined);
}
