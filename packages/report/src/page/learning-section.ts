import { errorPanel, lossPanel, ratePanel, speedPanel } from '../curves.js';
import type { History, Metric } from '../metrics.js';
import { drawPanel, type Panel } from '../panel.js';
import { details, drawTable, figure, named, type Section } from './elements.js';

/** In pixels; two next to each other on a wide screen, one below the other on a narrow one. */
const panelWidth = 440;
const panelHeight = 340;

/** Nobody reads more rows; those in between are omitted. */
const mostRows = 120;

/** Loss and errors over the steps, the learning rate and the speed; and the numbers in a table. */
export async function learningSection(history: History): Promise<Section> {
  const { train, val } = history;
  const training = { train, val: [] };
  const panels: { readonly panel: Panel; readonly name: string }[] = [
    { panel: lossPanel(history), name: inWords('Loss', history, ({ loss }) => `${loss.toPrecision(3)} nats`) },
    { panel: errorPanel(history), name: inWords('Top-1 error', history, ({ top1Error }) => percent(top1Error)) },
  ];
  if (train.some(({ learningRate }) => learningRate !== undefined)) {
    panels.push({
      panel: ratePanel(history),
      name: inWords('Learning rate', training, (line) => rateOf(line.learningRate)),
    });
  }
  if (train.some(({ imagesPerSecond }) => imagesPerSecond !== undefined)) {
    const say = ({ imagesPerSecond = 0 }: Metric) => imagesPerSecond.toPrecision(3);
    panels.push({ panel: speedPanel(history), name: inWords('Images per second', training, say) });
  }
  const drawn = [];
  for (const { panel, name } of panels) drawn.push(named(await drawPanel(panelWidth, panelHeight, panel), name));
  const table = numbers(history);
  return {
    id: 'learning',
    title: 'Learning',
    introduction:
      val.length > 0
        ? 'Loss and errors in training (each step, before its update) and on held-out images.'
        : 'Loss and errors in training (each step, before its update). There was no evaluation on held-out images.',
    content: figure(`<div class="panels">${drawn.join('')}</div>`) + table,
  };
}

/** What a curve shows, for readers who cannot see it. */
function inWords(what: string, { train, val }: History, say: (line: Metric) => string): string {
  const spoken = (name: string, lines: readonly Metric[]) =>
    lines.length === 0
      ? []
      : [
          `${name} from ${say(lines[0]!)} at step ${lines[0]!.step} to ${say(lines.at(-1)!)} at step ${lines.at(-1)!.step}`,
        ];
  const parts = [...spoken('training', train), ...spoken('validation', val)];
  return `${what}: ${parts.length === 0 ? 'no steps yet' : parts.join('; ')}.`;
}

/**
 * A row for each evaluation, with the mean of training since the previous one; without evaluations, a row for each
 * step.
 */
function numbers(history: History): string {
  const rows = history.val.length > 0 ? evaluationRows(history) : history.train.map(stepRow);
  if (rows.length === 0) return '';
  const every = Math.ceil(rows.length / mostRows);
  const kept = rows.filter((_, index) => index % every === 0 || index === rows.length - 1);
  const ofEvaluations = history.val.length > 0;
  return details(
    'The numbers',
    drawTable({
      caption: ofEvaluations ? 'Evaluations, and the mean of training since the previous one' : 'Steps of training',
      columns: [
        'step',
        'epoch',
        'rate',
        'training loss',
        'training top-1',
        ...(ofEvaluations ? ['loss', 'top-1', 'top-5'] : ['training top-5']),
      ],
      rows: kept,
      numbersFrom: 1,
      ...(kept.length < rows.length && { note: `${kept.length} of ${rows.length} rows; metrics.jsonl has all.` }),
    }),
  );
}

function evaluationRows({ train, val }: History): string[][] {
  let next = 0;
  return val.map((line) => {
    const begin = next;
    while (next < train.length && train[next]!.step <= line.step) next++;
    const since = train.slice(begin, next);
    const mean = (of: (line: Metric) => number, form: (value: number) => string) =>
      since.length === 0 ? '' : form(since.reduce((sum, each) => sum + of(each), 0) / since.length);
    return [
      String(line.step),
      line.epoch.toFixed(2),
      rateOf(line.learningRate ?? since.at(-1)?.learningRate),
      mean(({ loss }) => loss, nats),
      mean(({ top1Error }) => top1Error, percent),
      nats(line.loss),
      percent(line.top1Error),
      percent(line.top5Error),
    ];
  });
}

function stepRow({ step, epoch, learningRate, loss, top1Error, top5Error }: Metric): string[] {
  return [String(step), epoch.toFixed(2), rateOf(learningRate), nats(loss), percent(top1Error), percent(top5Error)];
}

const nats = (loss: number) => loss.toFixed(4);
const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
const rateOf = (rate: number | undefined) => (rate === undefined ? '' : String(Number(rate.toPrecision(4))));
