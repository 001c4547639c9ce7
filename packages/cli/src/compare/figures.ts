import type { ReportTable } from '@alex/report';
import type { Metrics } from '@alex/trainer';
import { duration, percent } from '../output.js';
import { type RunRecord, trainingSeconds } from '../report/run-record.js';
import { statusOf } from '../report/run-story.js';
import { describeModel } from '../session.js';
import { type Difference, valueInWords } from './differences.js';

/** A run as a comparison shows it. */
export interface ComparedRecord extends RunRecord {
  /** The shortest name that distinguishes it from the others. */
  readonly name: string;
}

/** Names runs by the last parts of their paths, as few as are needed to distinguish them. */
export function namesOf(paths: readonly string[]): string[] {
  const parts = paths.map((path) => path.split(/[\\/]/).filter((part) => part !== '' && part !== '.'));
  for (let kept = 1; kept <= Math.max(...parts.map(({ length }) => length)); kept++) {
    const names = parts.map((all) => all.slice(-kept).join('/'));
    if (new Set(names).size === new Set(paths).size && names.every((name) => name !== '')) return names;
  }
  return [...paths];
}

/** The figures of each run, for programs and for the table. */
export function figuresOf(record: ComparedRecord) {
  const { path, config, summary } = record;
  const { model, data, recipe } = config;
  const { best, lastEvaluation, last, trainingSpeed } = summary;
  const { parameterCount } = describeModel({ ...model, classes: data.classes.length, channels: data.channels });
  return {
    run: path,
    network: model.variant,
    parameters: parameterCount,
    data: data.name,
    status: statusOf(record).text,
    steps: last?.step ?? 0,
    epochs: last?.epoch ?? 0,
    batch: recipe.batch,
    ...(best && { best: errorsOf(best) }),
    ...(lastEvaluation && { lastEvaluation: errorsOf(lastEvaluation) }),
    ...(last && { trainingLoss: last.loss }),
    ...(trainingSpeed !== undefined && { imagesPerSecond: trainingSpeed }),
    secondsInSteps: trainingSeconds(record),
  };
}

function errorsOf({ step, epoch, loss, top1Error, top5Error }: Metrics | NonNullable<RunRecord['summary']['best']>) {
  return { step, epoch, loss, top1Error, top5Error };
}

const count = (value: number) => value.toLocaleString('en-US');

/** One row per figure, one column per run. */
export function figuresTable(records: readonly ComparedRecord[]): ReportTable {
  const figures = records.map((record) => ({
    ...figuresOf(record),
    images: record.config.data.fingerprint?.validation.images,
  }));
  type Figures = (typeof figures)[number];
  const row = (name: string, of: (figures: Figures) => string | undefined) => [
    name,
    ...figures.map((each) => of(each) ?? '—'),
  ];
  return {
    caption: 'Figures',
    columns: ['run', ...records.map(({ name }) => name)],
    rows: [
      row('network', ({ network }) => network),
      row('parameters', ({ parameters }) => count(parameters)),
      row('data', ({ data }) => data),
      row('progress', ({ status }) => status),
      row(
        'best top-1 error',
        ({ best, images }) => best && percent(best.top1Error) + deviation(best.top1Error, images),
      ),
      row('at step', ({ best }) => best && count(best.step)),
      row('top-5 error there', ({ best }) => best && percent(best.top5Error)),
      row('loss there', ({ best }) => best?.loss.toFixed(3)),
      row('last top-1 error', ({ lastEvaluation }) => lastEvaluation && percent(lastEvaluation.top1Error)),
      row('last training loss', ({ trainingLoss }) => trainingLoss?.toFixed(3)),
      row('images per second', ({ imagesPerSecond: speed }) =>
        speed === undefined ? undefined : count(Number(speed.toPrecision(3))),
      ),
      row('time in steps', ({ secondsInSteps }) => (secondsInSteps > 0 ? duration(secondsInSteps) : undefined)),
    ],
    note: 'Errors are on validation images, one view each; ± one standard error, which depends on the number of images.',
  };
}

/** The standard error of an error, given the number of images, in percentage points. */
function deviation(error: number, images: number | undefined): string {
  return images === undefined ? '' : ` ± ${(100 * Math.sqrt((error * (1 - error)) / images)).toFixed(1)}`;
}

/** Enough rows to compare curves. */
const mostRows = 8;

/** Errors at epochs that all runs have reached; none if one was never evaluated. */
export function sameEpochsTable(records: readonly ComparedRecord[]): ReportTable | undefined {
  const evaluations = records.map(({ metrics }) =>
    metrics.filter(({ split }) => split === 'val').sort((a, b) => a.epoch - b.epoch),
  );
  if (records.length < 2 || evaluations.some(({ length }) => length === 0)) return undefined;
  const end = Math.min(...evaluations.map((lines) => lines.at(-1)!.epoch));
  const begin = Math.max(...evaluations.map(([first]) => first!.epoch));
  // The run with the fewest evaluations determines the epochs.
  const [fewest] = evaluations
    .map((lines) => lines.map(({ epoch }) => epoch).filter((epoch) => epoch >= begin && epoch <= end))
    .sort((a, b) => a.length - b.length);
  const epochs = [...new Set(fewest!.length > 0 ? fewest! : [end])].filter((epoch) => epoch >= begin);
  if (epochs.length === 0) return undefined;
  const every = Math.ceil(epochs.length / mostRows);
  const chosen = epochs.filter((_, index) => (epochs.length - 1 - index) % every === 0);
  return {
    caption: 'Top-1 error at the same epochs',
    columns: ['epoch', ...records.map(({ name }) => name)],
    rows: chosen.map((epoch) => [
      String(Number(epoch.toFixed(2))),
      ...evaluations.map((lines) => percent(lines.findLast((line) => line.epoch <= epoch)!.top1Error)),
    ]),
    numbersFrom: 1,
    note: 'For each run, the last evaluation up to that epoch.',
  };
}

/** One row per setting, one column per run. */
export function differencesTable(
  records: readonly ComparedRecord[],
  differences: readonly Difference[],
): ReportTable | undefined {
  if (records.length < 2) return undefined;
  return {
    caption: 'Differences',
    columns: ['setting', ...records.map(({ name }) => name)],
    rows:
      differences.length === 0
        ? [['none that was recorded', ...records.map(() => '')]]
        : differences.map(({ setting, values }) => [setting, ...values.map((value) => valueInWords(value, values))]),
    note: 'Settings by their names in config.json. All others are the same.',
  };
}

/** Remarks for comparing the figures. */
export function cautions(records: readonly ComparedRecord[]): string[] {
  const of = (value: (record: ComparedRecord) => unknown) =>
    new Set(records.map((record) => JSON.stringify(value(record)))).size > 1;
  const images = records.map(({ config }) => config.data.fingerprint?.validation.hash);
  const others = images.every((hash) => hash !== undefined)
    ? of(({ config }) => config.data.fingerprint?.validation.hash)
    : of(({ config }) => [config.data.name, config.data.source]);
  return [
    ...(others ? ['They were validated on different images, so their errors cannot be compared directly.'] : []),
    ...(of(({ config }) => config.data.classes.length) ? ['They have different numbers of classes.'] : []),
    ...records.flatMap((record) => {
      const status = statusOf(record);
      return status.kind === 'finished' ? [] : [`${record.name}: ${status.text}.`];
    }),
  ];
}
