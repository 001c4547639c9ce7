import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { precisions } from '@alex/tensor/network';
import type { CheckOptions } from './arguments.js';
import type { Finding } from './findings.js';
import {
  readAdapter,
  readLearning,
  readPeers,
  readStep,
  readTests,
  readTuning,
  type StepAsked,
} from './read-findings.js';
import type { Command } from './run-command.js';

/** A task in a separate process, so that a crash of the driver affects nothing else. */
export interface Task {
  readonly name: string;
  readonly command: Command;
  /** The most seconds that it may take of the time left for its part. */
  readonly limit: number;
  /** @param output its standard output */
  readonly read: (output: string) => Finding | undefined | Promise<Finding | undefined>;
  /** A follow-up task, depending on the finding. */
  readonly next?: (finding: Finding | undefined) => Task | undefined;
}

/** Tasks that share a time limit; unused time goes to the parts after it. */
export interface Part {
  readonly name: string;
  /** Seconds out of a whole check, which takes a little less than eight minutes. */
  readonly seconds: number;
  readonly tasks: readonly Task[];
}

/** Paths. */
export interface Places {
  /** For logs and results. */
  readonly out: string;
  /** For the tuner's results: empty, so that it measures. */
  readonly cache: string;
}

const root = fileURLToPath(new URL('../../..', import.meta.url));
const node = [process.execPath, '--conditions=@alex/source', '--import', 'tsx'] as const;
const programOf = (path: string): [string, ...string[]] => [...node, join(root, path)];

/**
 * Packages with tests that need an adapter: those of kernels, and those that build networks of them; the most
 * informative first.
 */
export const kernelPackages = ['tensor', 'layers-conv', 'layers-dense', 'lrn', 'pool', 'loss', 'optim'] as const;
export const otherPackages = [
  'activations',
  'dropout',
  'augment',
  'model-alexnet',
  'multi-gpu',
  'onnx',
  'trainer',
  'cli',
] as const;

/** All tasks, the most important first. */
export function planOf(options: CheckOptions, places: Places): Part[] {
  const { quick, batches } = options;
  const step = (asked: Omit<StepAsked, 'model'>) => stepTask({ ...asked, model: options.model }, places);
  const untuned = batches.flatMap((batch) => precisions.map((precision) => step({ batch, precision, tuned: false })));
  const [batch] = batches as readonly [number];
  const tuned = precisions.flatMap((precision) => [
    tuneTask({ model: options.model, batch, precision, tuned: true }, places),
    step({ batch, precision, tuned: true }),
  ]);
  const learning = precisions.map(
    (precision): Task => ({
      name: `learning, ${precision}`,
      command: { words: [...programOf('benchmarks/src/gpu-check/tasks/learning.ts'), precision] },
      limit: 30,
      read: (output) => readLearning(output, precision),
    }),
  );
  const tests = [...kernelPackages, ...(quick ? [] : otherPackages)].map(testTask);
  return [
    { name: 'adapter', seconds: 25, tasks: [adapterTask] },
    { name: 'step', seconds: quick ? 80 : 165, tasks: untuned },
    ...(quick ? [] : [{ name: 'tuning', seconds: 70, tasks: tuned }]),
    { name: 'learning', seconds: 45, tasks: learning },
    { name: 'tests', seconds: quick ? 45 : 110, tasks: tests },
    ...(quick ? [] : [{ name: 'peers', seconds: 55, tasks: peerTasks(batch, places) }]),
  ];
}

const adapterTask: Task = {
  name: 'adapter',
  command: { words: programOf('benchmarks/src/gpu-check/tasks/adapter.ts') },
  limit: 25,
  read: readAdapter,
};

function stepTask(asked: StepAsked, { out, cache }: Places): Task {
  const { model, batch, precision, tuned } = asked;
  const name = `step of ${batch}, ${precision}${tuned ? ', tuned' : ''}`;
  const file = join(out, `${fileName(name)}.json`);
  const options = ['--model', model, '--batch', String(batch), '--precision', precision];
  return {
    name,
    command: {
      words: [
        ...programOf('benchmarks/src/main.ts'),
        ...['--step', ...options, '--repeats', '9', '--json', file],
        ...(tuned ? ['--tunings', tuningsFile(asked, cache)] : []),
      ],
      // The next step uses the results of one step's checks of kernels for matrix units.
      environment: { ALEX_CACHE: cache },
    },
    limit: 70,
    read: () => readStep(file, asked),
  };
}

function tuneTask(asked: StepAsked, { cache }: Places): Task {
  const { model, batch, precision } = asked;
  const options = ['--model', model, '--batch', String(batch), '--precision', precision];
  return {
    name: `tuning for ${batch}, ${precision}`,
    command: {
      words: [
        ...programOf('packages/cli/src/main.ts'),
        ...['devices', '--tune', 'full', ...options, '--to', tuningsFile(asked, cache), '--json'],
      ],
      environment: { ALEX_CACHE: cache },
      // It then ends after the current kernel, and writes its results.
      asked: { signal: 'SIGINT', graceMs: 10_000 },
    },
    limit: 40,
    read: (output) => readTuning(output, { batch, precision }),
  };
}

const tuningsFile = ({ batch, precision }: StepAsked, cache: string) => join(cache, `${batch}-${precision}.json`);

function testTask(name: string): Task {
  const reporter = join(root, 'benchmarks/src/gpu-check/tasks/test-reporter.ts');
  return {
    name: `tests of ${name}`,
    command: {
      words: [process.execPath, join(root, 'node_modules/vitest/vitest.mjs'), 'run', `--reporter=${reporter}`],
      folder: join(root, 'packages', name),
    },
    limit: 60,
    read: (output) => readTests(output, name),
  };
}

/** Each workload separately; a library that cannot do it with this many images is tried with fewer. */
function peerTasks(batch: number, places: Places): Task[] {
  const fewer = 32;
  const task = (workload: string, images: number): Task => {
    const name = `other libraries, ${workload} of ${images}`;
    const file = join(places.out, `${fileName(name)}.json`);
    return {
      name,
      command: {
        words: [
          ...programOf('benchmarks/src/main.ts'),
          ...['--peers', '--workloads', workload, '--batch', String(images)],
          ...['--repeats', '5', '--limit', '18', '--json', file],
        ],
      },
      limit: 65,
      read: () => readPeers(file, images),
      next: (finding) => {
        const failed = finding?.kind === 'peers' && finding.results.some(({ failure }) => failure !== undefined);
        return failed && images > fewer ? task(workload, fewer) : undefined;
      },
    };
  };
  return ['step-without-normalization', 'product', 'conv2', 'step'].map((workload) => task(workload, batch));
}

/** A task's name as a file name. */
export function fileName(name: string): string {
  return name.replaceAll(/[^\w]+/g, '-');
}
