import type { HostTensor } from '@alex/tensor';
import { curves } from './curves.js';
import { type FiltersOptions, filters } from './filters.js';
import { historyOf, type Metric } from './metrics.js';
import { type Neighbours, neighbours } from './neighbours.js';
import { pageColours } from './palette.js';
import { type Prediction, predictions } from './predictions.js';

/** The contents of a report; omitted or empty parts have no section. */
export interface RunReport {
  readonly title: string;
  /** One line below the title. */
  readonly subtitle?: string;
  /** Lines of `metrics.jsonl`; may be empty. */
  readonly metrics: readonly Metric[];
  /** The weight of the first layer, `[filters, 3 or 1, height, width]`. */
  readonly filters?: HostTensor;
  readonly filtersOptions?: FiltersOptions;
  readonly predictions?: readonly Prediction[];
  readonly neighbours?: readonly Neighbours[];
  /** Settings, in the order of the table that shows them. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
}

/**
 * One self-contained HTML file about a run, for light and dark screens; it loads nothing and runs no script.
 *
 * @throws The errors of `curves`, `filters`, `predictions` and `neighbours` for input that they cannot draw.
 */
export async function reportHtml(run: RunReport): Promise<string> {
  const { title, subtitle, metrics, settings = {} } = run;
  const settingRows = Object.entries(settings).map(
    ([name, value]) => `<tr><th scope="row">${escapeHtml(name)}</th><td>${escapeHtml(String(value))}</td></tr>`,
  );
  const sections = [
    tiles(metrics),
    section('Learning', 'Loss and errors on training and validation images.', figure(await curves(metrics))),
    run.filters &&
      section(
        'First-layer filters',
        'Each square is one filter, shown as the colours that it responds to most; mid-grey is a weight of 0.',
        `<figure class="centred"><img alt="Filters of the first layer" src="data:image/png;base64,${(
          await filters(run.filters, run.filtersOptions)
        ).toString('base64')}"></figure>`,
      ),
    run.predictions?.length &&
      section(
        'Predictions',
        'Below each image: its true label, then the most likely guesses; green is right.',
        figure(await predictions(run.predictions)),
      ),
    run.neighbours?.length &&
      section(
        'Nearest neighbours',
        'On the left an image, next to it the images with the nearest features in the last hidden layer.',
        figure(await neighbours(run.neighbours)),
      ),
    settingRows.length && section('Settings', '', `<table>${settingRows.join('')}</table>`),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${pageColours}${pageStyle}</style>
</head>
<body>
<header>
<h1>${escapeHtml(title)}</h1>
${subtitle ? `<p>${escapeHtml(subtitle)}</p>` : ''}
</header>
<main>
${sections.filter(Boolean).join('\n')}
</main>
</body>
</html>
`;
}

/** The key figures of the run. */
function tiles(metrics: readonly Metric[]): string {
  const { train, val } = historyOf(metrics);
  const last = train.at(-1);
  const best = val.reduce<Metric | undefined>(
    (least, line) => (least && least.top1Error <= line.top1Error ? least : line),
    undefined,
  );
  const speeds = train.flatMap(({ imagesPerSecond }) => imagesPerSecond ?? []).sort((a, b) => a - b);
  const speed = speeds[speeds.length >> 1];
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
  if (speed !== undefined) shown.push(['images per second', speed.toPrecision(3).replace(/\.0+$/, ''), 'median']);
  if (shown.length === 0) return '';
  const items = shown.map(
    ([name, value, note]) => `<div><dt>${name}</dt><dd>${value}</dd><dd class="note">${note}</dd></div>`,
  );
  return `<dl class="tiles">${items.join('')}</dl>`;
}

function section(title: string, explanation: string, content: string): string {
  return `<section><h2>${title}</h2>${explanation && `<p>${explanation}</p>`}${content}</section>`;
}

function figure(svg: string): string {
  return `<figure>${svg}</figure>`;
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}

const pageStyle = `
*{box-sizing:border-box}
body{margin:0 auto;padding:3rem 1.5rem;max-width:64rem;background:var(--surface);color:var(--ink);font:16px/1.5 system-ui,'Segoe UI',Roboto,'Helvetica Neue','Noto Sans','DejaVu Sans',sans-serif}
header{margin-bottom:2rem}
h1{margin:0;font-size:2rem;line-height:1.2;letter-spacing:-.02em;overflow-wrap:anywhere}
h2{margin:0;font-size:1.25rem}
header p,section>p{margin:.25rem 0 0;color:var(--muted)}
section{margin-top:3rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:1rem;margin:0}
.tiles>div{padding:1rem 1.25rem;border:1px solid var(--grid);border-radius:12px;background:var(--track)}
dt{color:var(--muted);font-size:.875rem}
dd{margin:0;font-size:1.75rem;font-weight:600;font-variant-numeric:tabular-nums}
dd.note{color:var(--muted);font-size:.8125rem;font-weight:400}
figure{margin:1rem 0 0;border:1px solid var(--grid);border-radius:12px;overflow-x:auto}
figure.centred{padding:1.5rem}
figure svg,figure img{display:block;max-width:100%;height:auto;margin:0 auto}
figure img{image-rendering:pixelated}
table{margin-top:1rem;border-collapse:collapse;width:100%;font-size:.9375rem}
th,td{padding:.5rem .75rem;border-bottom:1px solid var(--grid);text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{width:16rem;font-weight:400;color:var(--muted)}
@media (max-width:40rem){figure svg{max-width:none}}
@media print{section{break-inside:avoid}}
`;
