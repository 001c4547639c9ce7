import { parseArgs } from 'node:util';
import { ConfigError } from '@alex/tensor';

export const usage = `Checks Alex on this machine's GPU: its features, its speed, whether networks learn, and whether all tests pass.

  bash scripts/gpu-check.sh [OPTIONS]

  --out      folder for gpu-check.json, gpu-check.txt and a log of each task. Default: gpu-check
  --minutes  time limit. Default: 8; with --quick 3
  --quick    one batch size, no tuning, only the kernel tests, no other libraries
  --model    a variant of @alex/model-alexnet. Default: paper
  --batch    images per step, several separated by commas. Default: 128,256

ALEX_ADAPTER chooses the adapter: a part of its name.`;

export interface CheckOptions {
  readonly help: boolean;
  readonly out: string;
  readonly minutes: number;
  readonly quick: boolean;
  readonly model: string;
  readonly batches: readonly number[];
}

/** @throws ConfigError, or a TypeError of `parseArgs`, for arguments that do not match `usage` */
export function parseArguments(given: readonly string[]): CheckOptions {
  const { values } = parseArgs({
    args: [...given],
    options: {
      out: { type: 'string', default: 'gpu-check' },
      minutes: { type: 'string' },
      quick: { type: 'boolean', default: false },
      model: { type: 'string', default: 'paper' },
      batch: { type: 'string', default: '128,256' },
      help: { type: 'boolean', default: false },
    },
  });
  const { help, out, quick, model } = values;
  const minutes = Number(values.minutes ?? (quick ? 3 : 8));
  if (!(minutes > 0)) throw new ConfigError(`--minutes must be above 0, got ${values.minutes}`);
  const batches = values.batch.split(',').map((value) => {
    const batch = Number(value);
    if (Number.isInteger(batch) && batch >= 1) return batch;
    throw new ConfigError(`--batch must be whole numbers of at least 1, got ${values.batch}`);
  });
  return { help, out, minutes, quick, model, batches: quick ? batches.slice(0, 1) : batches };
}
