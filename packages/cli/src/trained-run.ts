import { resolve } from 'node:path';
import { type LearntWeights, RunDirectory, type WhichWeights } from '@alex/trainer';
import { InvalidArgumentError, Option } from 'commander';
import type { Output } from './output.js';
import type { TrainedNetwork } from './session.js';

export const checkpointOption = () =>
  new Option(
    '--checkpoint <which>',
    'the weights to use: best (lowest validation error), last, or the number of a step (default: the final weights of a finished run, else those of its newest checkpoint)',
  )
    .argParser((text): WhichWeights => {
      if (text === 'best' || text === 'last') return text;
      if (/^\d{1,15}$/.test(text)) return Number(text);
      throw new InvalidArgumentError('It must be best, last, or the number of a step.');
    })
    .conflicts('weights');

/** The first run that is named more than once, also by another path. */
export function givenTwice(paths: readonly string[]): string | undefined {
  return paths.find((path, index) => paths.findIndex((other) => resolve(other) === resolve(path)) < index);
}

/** A run, finished or not, for use with the requested weights. */
export async function openTrainedRun(
  path: string,
  which: WhichWeights | undefined,
  output: Pick<Output, 'line'>,
): Promise<TrainedNetwork> {
  const run = await RunDirectory.open(path);
  return {
    path,
    config: run.config,
    async learnt() {
      const learnt = await run.learnt(which);
      const remark = await remarkOn(run, learnt, which);
      if (remark !== undefined) output.line(`${path}: ${remark}`);
      return learnt;
    },
  };
}

/** A remark about the weights, unless they are the obvious ones. */
async function remarkOn(
  run: RunDirectory,
  { kind, step }: LearntWeights,
  which: WhichWeights | undefined,
): Promise<string | undefined> {
  if (which !== undefined)
    return `the weights of step ${step}${kind === 'best' ? ', the best checkpoint,' : ''} are used.`;
  if (kind !== 'finished') return `has not finished; the weights of its newest checkpoint, of step ${step}, are used.`;
  const [newest = 0] = await run.checkpoints.steps();
  if (step === undefined || newest <= step) return undefined;
  return `the weights of the training that finished at step ${step} are used; --checkpoint last uses those of step ${newest}.`;
}
