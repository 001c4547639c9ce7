import type { History } from '../metrics.js';
import { summaryOf } from '../summary.js';
import { escapeXml } from '../text.js';

/** The status of a run. */
export interface RunStatus {
  readonly kind: 'finished' | 'unfinished' | 'failed';
  /** `finished: 200 steps`. */
  readonly text: string;
}

const signs = { finished: '✓', unfinished: '…', failed: '✕' } as const;

/** What a reader looks for first: how the run ended, remarks, and the key figures. */
export function lead(history: History, status?: RunStatus, remarks: readonly string[] = []): string {
  const items = remarks.map((remark) => `<li>${escapeXml(remark)}</li>`);
  return (
    (status === undefined
      ? ''
      : `<p class="status"><span aria-hidden="true">${signs[status.kind]}</span> ${escapeXml(status.text)}</p>`) +
    (items.length === 0 ? '' : `<ul class="remarks">${items.join('')}</ul>`) +
    tiles(history)
  );
}

function tiles(history: History): string {
  const { last, best, trainingSpeed } = summaryOf(history);
  const shown: [name: string, value: string, note: string][] = [];
  if (best) {
    const where = `validation, step ${best.step}`;
    shown.push(['best top-1 error', `${(100 * best.top1Error).toFixed(1)}%`, where]);
    shown.push(['top-5 error there', `${(100 * best.top5Error).toFixed(1)}%`, where]);
  }
  if (last) {
    shown.push(['last training loss', last.loss.toPrecision(3), 'nats']);
    shown.push(['steps', last.step.toLocaleString('en'), `${Number(last.epoch.toFixed(1))} epochs`]);
  }
  if (trainingSpeed !== undefined) {
    shown.push(['images per second', trainingSpeed.toPrecision(3).replace(/\.0+$/, ''), 'median']);
  }
  if (shown.length === 0) return '';
  const items = shown.map(
    ([name, value, note]) => `<div><dt>${name}</dt><dd>${value}</dd><dd class="note">${note}</dd></div>`,
  );
  return `<dl class="tiles">${items.join('')}</dl>`;
}
