import type { ReportTable } from '@alex/report';
import { percent } from '../output.js';
import { isIlsvrc, type RunRecord } from './run-record.js';

/** An evaluation of the network, besides those made during training. */
export interface Evaluation {
  readonly views: number;
  readonly top1Error: number;
  readonly top5Error: number;
}

/** Published errors, in percent as they are printed. */
interface Published {
  readonly model: string;
  readonly errors: readonly string[];
}

/** Tables 1 and 2 of Krizhevsky, Sutskever and Hinton, NIPS 2012. */
const table1: readonly Published[] = [
  { model: 'Sparse coding', errors: ['47.1%', '28.2%'] },
  { model: 'SIFT + FVs', errors: ['45.7%', '25.7%'] },
  { model: 'CNN', errors: ['37.5%', '17.0%'] },
];
const table2: readonly Published[] = [
  { model: 'SIFT + FVs', errors: ['—', '—', '26.2%'] },
  { model: '1 CNN', errors: ['40.7%', '18.2%', '—'] },
  { model: '5 CNNs', errors: ['38.1%', '16.4%', '16.4%'] },
  { model: '1 CNN*', errors: ['39.0%', '16.6%', '—'] },
  { model: '7 CNNs*', errors: ['36.7%', '15.4%', '15.3%'] },
];

/** Nets of cuda-convnet, named after their errors on CIFAR-10's test images. */
const cifarNets: Readonly<Record<string, string>> = {
  'cifar-80sec': '26%',
  'cifar-19pct': '19%',
  'cifar-18pct': '18%',
  'cifar-13pct': '13%',
  'cifar-11pct': '11%',
};

/** Published measurements of the same network: images and views, then top-1 and top-5 error. */
const sameNetwork: Readonly<Record<string, readonly (readonly [where: string, top1: string, top5: string])[]>> = {
  paper: [
    ['the paper: ILSVRC-2012 validation, ten views', '40.7%', '18.2%'],
    ['the paper: ILSVRC-2010 test, ten views', '37.5%', '17.0%'],
    ['the paper: ILSVRC-2010 test, one view', '39.0%', '18.3%'],
  ],
  'release-2012': [
    ['net 145 of the 2012 code: ILSVRC-2012 validation, ten views', '40.7%', '18.2%'],
    ['net 145: ILSVRC-2010 test, ten views', '37.5%', '17.0%'],
    ['net 145: ILSVRC-2010 test, one view', '39.0%', '18.3%'],
  ],
  'six-conv': [['the paper, pre-trained on ImageNet 2011: ILSVRC-2012 validation, ten views', '39.0%', '16.6%']],
  'one-column': [['net 145-half of the 2012 code: ILSVRC-2010 test, ten views', '39.2%', '18.2%']],
  'no-lrn': [['net 148 of the 2012 code: ILSVRC-2012 validation', '42.0%', '19.4%']],
  'non-overlapping': [['net 147 of the 2012 code: ILSVRC-2012 validation', '41.1%', '18.5%']],
  'no-communication': [['net 150 of the 2012 code: ILSVRC-2012 validation', '41.8%', '19.3%']],
  caffe: [['Caffe, bvlc_alexnet: ILSVRC-2012 validation, one view', '42.9%', '19.8%']],
  caffenet: [['Caffe, bvlc_reference_caffenet: ILSVRC-2012 validation, one view', '42.6%', '19.6%']],
  torchvision: [['torchvision, IMAGENET1K_V1: ILSVRC-2012 validation, one view', '43.5%', '20.9%']],
};

/**
 * A run's errors compared with published ones, in the form of the paper's tables 1 and 2; for CIFAR's nets, compared with
 * cuda-convnet's.
 */
export function publishedResults(record: RunRecord, evaluations: readonly Evaluation[]): ReportTable[] {
  const { variant } = record.config.model;
  const own = ownErrors(record, evaluations);
  if (Object.hasOwn(cifarNets, variant)) return [besideCifarNets(record, own)];
  return [
    {
      caption: 'In the form of table 1: ILSVRC-2010, test images',
      columns: ['model', 'top-1', 'top-5'],
      ...beside(table1, own, ({ top1, top5 }) => [top1, top5]),
      note: noteOn(record, 2010),
    },
    {
      caption: 'In the form of table 2: ILSVRC-2012',
      columns: ['model', 'top-1, validation', 'top-5, validation', 'top-5, test'],
      ...beside(table2, own, ({ top1, top5 }) => [top1, top5, '—']),
      note: `${noteOn(record, 2012)} An asterisk: pre-trained on all of ImageNet 2011. The paper's rows use ten views.`,
    },
    ...besideSameNetwork(variant, own),
  ];
}

interface OwnErrors {
  readonly name: string;
  readonly top1: string;
  readonly top5: string;
}

/** The last evaluation during training, the best one if that is another, and those made for the report. */
function ownErrors({ config, summary }: RunRecord, evaluations: readonly Evaluation[]): OwnErrors[] {
  const { variant } = config.model;
  const { best, lastEvaluation } = summary;
  const row = (what: string, { top1Error, top5Error }: Omit<Evaluation, 'views'>): OwnErrors => ({
    name: `this run (${variant}), ${what}`,
    top1: percent(top1Error),
    top5: percent(top5Error),
  });
  if (!lastEvaluation && evaluations.length === 0) {
    return [{ name: `this run (${variant}), not evaluated`, top1: '—', top5: '—' }];
  }
  return [
    ...(lastEvaluation ? [row(`one view, step ${lastEvaluation.step}`, lastEvaluation)] : []),
    ...(best && best !== lastEvaluation ? [row(`one view, best, step ${best.step}`, best)] : []),
    ...evaluations.map((evaluation) =>
      row(evaluation.views === 1 ? 'one view, the weights of this report' : `${evaluation.views} views`, evaluation),
    ),
  ];
}

function beside(
  published: readonly Published[],
  own: readonly OwnErrors[],
  errorsOf: (own: OwnErrors) => readonly string[],
): Pick<ReportTable, 'rows' | 'own' | 'numbersFrom'> {
  return {
    rows: [
      ...published.map(({ model, errors }) => [model, ...errors]),
      ...own.map((each) => [each.name, ...errorsOf(each)]),
    ],
    own: own.map((_, index) => published.length + index),
    numbersFrom: 1,
  };
}

function besideCifarNets({ config }: RunRecord, own: readonly OwnErrors[]): ReportTable {
  const published = Object.entries(cifarNets).map(([model, error]) => ({
    model: `cuda-convnet, ${model}`,
    errors: [error],
  }));
  const isCifar = config.data.name === 'CIFAR-10';
  return {
    caption: "cuda-convnet's nets: error on CIFAR-10's 10,000 test images",
    columns: ['model', 'error'],
    ...beside(published, own, ({ top1 }) => [top1]),
    note:
      (isCifar ? '' : `${otherImages(config)} `) +
      'Those of 13% and 11% were tested with ten views; the recipes contain their schedules.',
  };
}

function besideSameNetwork(variant: string, own: readonly OwnErrors[]): ReportTable[] {
  const published = sameNetwork[variant];
  if (!published) return [];
  return [
    {
      caption: 'This network elsewhere',
      columns: ['where', 'top-1', 'top-5'],
      ...beside(
        published.map(([where, top1, top5]) => ({ model: where, errors: [top1, top5] })),
        own,
        ({ top1, top5 }) => [top1, top5],
      ),
    },
  ];
}

function noteOn({ config }: RunRecord, year: 2010 | 2012): string {
  const { fingerprint } = config.data;
  if (!isIlsvrc(config, year)) return otherImages(config);
  const images = fingerprint ? `${fingerprint.validation.images.toLocaleString('en-US')} ` : '';
  return `The run's row is for the ${images}validation images of ILSVRC-${year}.`;
}

function otherImages({ data }: RunRecord['config']): string {
  return `The run used other images (${data.name}, ${data.classes.length} classes): its row has the form of the table, but cannot be compared with the others.`;
}
