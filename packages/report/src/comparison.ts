import { ConfigError } from '@alex/tensor';
import { checkArray, checkOneOf, checkOptions, checkText } from '@alex/tensor/kernels';
import { type ComparedRun, type ComparisonAxis, comparisonAxes, overlayPanels, strokeOf } from './overlay.js';
import { drawPage } from './page/document.js';
import { drawTable, figure, named, type ReportTable, type Section } from './page/elements.js';
import { drawPanel } from './panel.js';
import { escapeXml } from './text.js';

/** A comparison of several runs. */
export interface Comparison {
  readonly title: string;
  /** One line below the title. */
  readonly subtitle?: string;
  readonly runs: readonly ComparedRun[];
  /** The horizontal axis of the curves. Default: `epoch`. */
  readonly by?: ComparisonAxis;
  /** Remarks for comparing the figures, one sentence each. */
  readonly remarks?: readonly string[];
  /** A table of figures, then others; each is a section with the table's caption as its heading. */
  readonly tables?: readonly ReportTable[];
  /** One line at the end. */
  readonly footer?: string;
}

/** In pixels. */
const panelWidth = 440;
const panelHeight = 340;

/**
 * One HTML file that compares runs: their curves in the same diagrams, distinguished by dashes and by colours that remain
 * distinguishable with colour blindness; then tables. It loads nothing and contains no scripts.
 *
 * @throws ConfigError if there is no run, or an option or the axis is unknown; `DataError` for metrics that cannot be drawn.
 */
export async function comparisonHtml(comparison: Comparison): Promise<string> {
  checkOptions('comparisonHtml', comparison, ['title', 'subtitle', 'runs', 'by', 'remarks', 'tables', 'footer']);
  const { title, subtitle, runs, by = 'epoch', remarks = [], tables = [], footer } = comparison;
  checkText('comparisonHtml', 'title', title);
  for (const [name, list] of Object.entries({ runs, remarks, tables })) checkArray('comparisonHtml', name, list);
  if (runs.length === 0) throw new ConfigError('comparisonHtml: there are no runs; give at least one');
  checkOneOf('comparisonHtml', 'by', by, comparisonAxes);
  const drawn = [];
  for (const panel of overlayPanels(runs, by)) {
    drawn.push(
      named(
        await drawPanel(panelWidth, panelHeight, panel),
        `${panel.title} of ${runs.length} runs, by ${by}; the table has the figures.`,
      ),
    );
  }
  const [figures, ...others] = tables;
  const asSection = (table: ReportTable, index: number): Section => ({
    id: `table-${index + 1}`,
    title: table.caption,
    content: drawTable(table, { hidesCaption: true }),
  });
  const curves =
    drawn.length === 0
      ? '<p>There are no steps yet.</p>'
      : legend(runs) + figure(`<div class="panels">${drawn.join('')}</div>`);
  const items = remarks.map((remark) => `<li>${escapeXml(remark)}</li>`);
  return drawPage({
    title,
    ...(subtitle !== undefined && { subtitle }),
    lead: items.length === 0 ? '' : `<ul class="remarks">${items.join('')}</ul>`,
    sections: [
      ...(figures ? [asSection(figures, 0)] : []),
      { id: 'curves', title: 'Curves', content: curves },
      ...others.map((table, index) => asSection(table, index + 1)),
    ],
    ...(footer !== undefined && { footer }),
  });
}

/** The legend; its colours for dark screens are those of the diagrams. */
function legend(runs: readonly ComparedRun[]): string {
  const items = runs.map(({ name }, run) => {
    const { colour, dashes } = strokeOf(run);
    const line = `<path d="M0 6H36" stroke="${colour}" stroke-width="3" fill="none"${dashes ? ` stroke-dasharray="${dashes.join(' ')}"` : ''}/>`;
    return `<li><svg width="36" height="12" viewBox="0 0 36 12" aria-hidden="true">${line}</svg>${escapeXml(name)}</li>`;
  });
  return `<ul class="legend">${items.join('')}</ul>`;
}
