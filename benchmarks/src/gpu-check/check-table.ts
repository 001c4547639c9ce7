import { formatPeers, percent, table } from '../tables.js';
import {
  type AdapterFinding,
  type CheckReport,
  findingsOf,
  type LearningDifference,
  type LearningFinding,
  type StepFinding,
  type TaskReport,
  type TestsFinding,
  type TuningFinding,
} from './findings.js';

/** All findings as readable text. */
export function formatCheck({ date, seconds, tasks, learning }: CheckReport): string {
  const peers = findingsOf(tasks, 'peers').map(({ batch, results }) => `Batch ${batch}\n${formatPeers(results)}`);
  const sections = [
    ['Adapter', findingsOf(tasks, 'adapter').map(formatAdapter).join('\n')],
    ['Training steps', formatSteps(findingsOf(tasks, 'step'))],
    ['Largest kernels, in ms (of the rate of multiply-adds)', formatKernels(findingsOf(tasks, 'step'))],
    ['Tuning', formatTuning(findingsOf(tasks, 'tuning'))],
    ['Learning: mean loss', formatLearning(findingsOf(tasks, 'learning'), learning)],
    ['Tests', formatTests(findingsOf(tasks, 'tests'))],
    ['Other libraries', peers.join('\n\n')],
    ['What was done', formatTasks(tasks)],
  ] as const;
  return [
    `Alex on a GPU, ${date}, ${Math.round(seconds)} s`,
    ...sections.filter(([, text]) => text !== '').map(([title, text]) => `${title}\n\n${text}`),
  ].join('\n\n\n');
}

/** Limits that decide which kernels an adapter gets; the results file has all of them. */
const shownLimits = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupsPerDimension',
];

function formatAdapter({ environment, computes, features, limits, matrix, roofline }: AdapterFinding): string {
  const { adapter, driver, processor, cores, node, platform, subgroupSize } = environment;
  const rows = [
    `${adapter} (${computes}), driver ${driver}`,
    `${processor}, ${cores} cores; Node ${node} on ${platform}`,
    `roofline: ${(roofline.multiplyAddsPerSecond / 1e9).toFixed(0)} billion multiply-adds per second, copies ${(roofline.copyBytesPerSecond / 1e9).toFixed(0)} GB per second`,
    `subgroups: ${subgroupSize ?? 'none'}`,
    `features: ${features.join(', ') || 'none'}`,
    `matrix units: ${matrix ? `${matrix.rows} x ${matrix.columns} x ${matrix.steps}` : 'none'}`,
    ...shownLimits.flatMap((name) => (limits[name] === undefined ? [] : [`${name}: ${limits[name]}`])),
  ];
  return rows.join('\n');
}

const orNothing = (value: number | null, format: (value: number) => string) => (value === null ? '' : format(value));
const ms = (value: number) => value.toFixed(2);
const titleOf = ({ batch, precision, tuned }: Pick<StepFinding, 'batch' | 'precision' | 'tuned'>) =>
  `${batch} ${precision}${tuned ? ' tuned' : ''}`;

function formatSteps(steps: readonly StepFinding[]): string {
  if (steps.length === 0) return '';
  const heads = [
    ...['step', 'images/s', 'ms', 'spread', 'products ms', 'of multiply-adds'],
    ...['other kernels ms', 'not in kernels ms', 'first step ms'],
  ];
  return table([
    heads,
    ...steps.map((step) => [
      `${step.model} ${titleOf(step)}`,
      step.imagesPerSecond.toFixed(1),
      ms(step.stepMs),
      `${ms(step.fastestMs)}-${ms(step.slowestMs)}`,
      orNothing(step.productsMs, ms),
      orNothing(step.multiplyAddShare, percent),
      orNothing(step.otherKernelsMs, ms),
      orNothing(step.notInKernelsMs, ms),
      step.firstStepMs.toFixed(0),
    ]),
  ]);
}

const kernelsShown = 24;

function formatKernels(steps: readonly StepFinding[]): string {
  const timed = steps.filter(({ kernels }) => kernels.length > 0);
  if (timed.length === 0) return '';
  const longest = new Map<string, number>();
  for (const { name, milliseconds } of timed.flatMap(({ kernels }) => kernels)) {
    longest.set(name, Math.max(longest.get(name) ?? 0, milliseconds));
  }
  const names = [...longest].sort(([, a], [, b]) => b - a).map(([name]) => name);
  return table([
    ['kernel', ...timed.map(titleOf)],
    ...names.slice(0, kernelsShown).map((name) => [
      name,
      ...timed.map(({ kernels }) => {
        const kernel = kernels.find((one) => one.name === name);
        if (!kernel) return '';
        const { milliseconds, multiplyAddShare } = kernel;
        return `${ms(milliseconds)}${multiplyAddShare === undefined ? '' : ` (${percent(multiplyAddShare)})`}`;
      }),
    ]),
  ]);
}

function formatTuning(tunings: readonly TuningFinding[]): string {
  if (tunings.length === 0) return '';
  const dropped = tunings.flatMap((tuning) => tuning.dropped.map(({ key, reason }) => `${key}: ${reason}`));
  return [
    table([
      ['batch', 'precision', 'tuned', 'left', 'dropped candidates'],
      ...tunings.map(({ batch, precision, tuned, left, dropped: some }) => [
        ...[String(batch), precision, String(tuned), String(left), String(some.length)],
      ]),
    ]),
    ...new Set(dropped),
  ].join('\n');
}

function formatLearning(findings: readonly LearningFinding[], difference?: LearningDifference): string {
  const ends = findings.map(({ precision, losses, validationError }) => {
    const error = validationError === undefined ? '' : `, top-1 error on other images ${percent(validationError)}`;
    return `${precision}: ${losses.length} steps, last loss ${losses.at(-1)?.toFixed(4) ?? 'none'}${error}`;
  });
  return [...(difference ? [formatCurves(difference)] : []), ...ends].join('\n');
}

function formatCurves({ stepsPerPoint, float32, mixed, largestDifference }: LearningDifference): string {
  const points = Array.from({ length: Math.min(float32.length, mixed.length) }, (_, point) => [
    `${point * stepsPerPoint + 1}-${(point + 1) * stepsPerPoint}`,
    float32[point]!.toFixed(4),
    mixed[point]!.toFixed(4),
  ]);
  return `${table([['steps', 'float32', 'mixed'], ...points])}\nlargest difference: ${largestDifference.toFixed(4)}`;
}

function formatTests(tests: readonly TestsFinding[]): string {
  if (tests.length === 0) return '';
  const failures = tests.flatMap(({ package: name, firstFailure }) =>
    firstFailure === undefined ? [] : [`${name}: ${firstFailure}`],
  );
  return [
    table([
      ['package', 'passed', 'failed', 'skipped'],
      ...tests.map(({ package: name, passed, failed, skipped }) => [name, ...[passed, failed, skipped].map(String)]),
    ]),
    ...(failures.length > 0 ? ['', 'The first failure of each:', ...failures] : []),
  ].join('\n');
}

function formatTasks(tasks: readonly TaskReport[]): string {
  return table([
    ['task', 'outcome', 'seconds', ''],
    ...tasks.map(({ name, outcome, seconds, reason = '' }) => [name, outcome, seconds.toFixed(0), reason]),
  ]);
}
