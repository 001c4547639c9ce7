import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Metrics, type Origin, type RunConfig, RunDirectory } from '@alex/trainer';

/** The properties that tests change in a run that was never trained. */
export interface WrittenRun {
  readonly model?: Partial<RunConfig['model']>;
  readonly data?: Partial<RunConfig['data']>;
  readonly images?: Partial<RunConfig['images']>;
  readonly recipe?: Partial<RunConfig['recipe']>;
  readonly metrics?: readonly Metrics[];
  readonly hasFinished?: boolean;
  readonly divergence?: object;
}

/** A run's directory as training leaves it, but written without training. */
export async function writeRun(path: string, run: WrittenRun = {}): Promise<RunDirectory> {
  const written = await RunDirectory.create(path, {
    model: { variant: 'small', inputSize: 24, ...run.model },
    data: {
      source: '/images',
      name: 'my images',
      classes: ['a', 'b', 'c'],
      height: 32,
      width: 32,
      channels: 3,
      ...run.data,
    },
    images: { crop: 'random', mirror: true, padding: 0, mean: [1, 2, 3], scale: 64, ...run.images },
    recipe: {
      batch: 10,
      steps: 4,
      seed: 1,
      learningRate: 0.01,
      schedule: { kind: 'step', factor: 0.1, epochs: [3] },
      momentum: 0.9,
      weightDecay: 0.0005,
      evaluateEvery: 2,
      checkpointEvery: 2,
      ...run.recipe,
    },
  });
  for (const line of run.metrics ?? metricsOf(4)) await written.appendMetrics(line);
  if (run.hasFinished ?? true) await written.saveWeights({}, 4);
  if (run.divergence) await writeFile(join(path, 'divergence.json'), JSON.stringify(run.divergence));
  return written;
}

/** This many steps of training, every other one followed by an evaluation. */
export function metricsOf(steps: number): Metrics[] {
  return Array.from({ length: steps }, (_, index): Metrics[] => {
    const step = index + 1;
    const shared = { step, epoch: step / 2, top5Error: 0, learningRate: 0.01, imagesPerSecond: 20 };
    const train: Metrics = { ...shared, split: 'train', loss: 2 / step, top1Error: 1 / (step + 1) };
    return step % 2 === 0 ? [train, { ...shared, split: 'val', loss: 3 / step, top1Error: 1 / step }] : [train];
  }).flat();
}

export function originOf(step: number, more: Partial<Origin> = {}): Origin {
  return {
    step,
    version: '0.3.0',
    command: ['train', '--run', 'runs/mine'],
    machine: { node: 'v20.19.0', platform: 'linux x64', processor: 'a processor', cores: 2 },
    adapters: [{ name: 'an adapter', driver: 'driver 1', kind: 'software', memoryBytes: 7e6 }],
    memory: { total: 7e6, parameters: 1e6, optimizerState: 1e6, activations: 5e6 },
    ...more,
  };
}
