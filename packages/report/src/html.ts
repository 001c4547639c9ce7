import { ConfigError, type HostTensor, type NetworkDescription } from '@alex/tensor';
import { checkArray, checkOptions, checkText } from '@alex/tensor/kernels';
import type { FiltersOptions } from './filters.js';
import { type History, historyOf, type Metric } from './metrics.js';
import type { Neighbours } from './neighbours.js';
import { drawPage } from './page/document.js';
import { drawFacts, drawTable, type Facts, type ReportTable, type Section } from './page/elements.js';
import { imageDetails } from './page/image-detail.js';
import { lead, type RunStatus } from './page/lead.js';
import { learningSection } from './page/learning-section.js';
import { networkSection } from './page/network-section.js';
import { type RemakingStep, remakingSection } from './page/remaking-section.js';
import { filtersSection, neighboursSection, predictionsSection } from './page/sight-sections.js';
import type { Prediction } from './predictions.js';

/** The contents of a report; omitted or empty parts have no section. */
export interface RunReport {
  readonly title: string;
  /** One line below the title. */
  readonly subtitle?: string;
  /** Whether the run has finished, and if not, why. */
  readonly status?: RunStatus;
  /** What a reader should know before the run's figures, such as that it was fine-tuned or rolled back; one sentence each. */
  readonly remarks?: readonly string[];
  /** Lines of `metrics.jsonl`; may be empty. */
  readonly metrics: readonly Metric[];
  /** Drawn like figure 2 of the paper, and listed layer by layer. */
  readonly network?: NetworkDescription;
  /** What computes each of the network's columns. Default: their numbers. */
  readonly columnNames?: readonly string[];
  /** The run's errors compared with published ones, in the form of tables 1 and 2 of the paper. */
  readonly results?: readonly ReportTable[];
  /** The weight of the first layer, `[filters, 3 or 1, height, width]`. */
  readonly filters?: HostTensor;
  readonly filtersOptions?: FiltersOptions;
  readonly predictions?: readonly Prediction[];
  readonly neighbours?: readonly Neighbours[];
  readonly speed?: Facts;
  readonly memory?: Facts;
  /** The provenance of the run. */
  readonly environment?: readonly ReportTable[];
  /** Settings, in the order of the table that shows them. */
  readonly settings?: Facts;
  /** How to reproduce the run. */
  readonly remaking?: readonly RemakingStep[];
  /** One line at the end, such as what wrote the report. */
  readonly footer?: string;
}

/** A report is sent by mail and opened on a phone. */
const mostBytes = 3e6;

/**
 * One HTML file of at most 3 MB with everything about a run: for light and dark screens, narrow and wide ones, paper, keyboards
 * and screen readers. It loads nothing and contains no scripts. If images would make it larger, they are drawn in lower
 * resolution.
 *
 * @throws ConfigError for an unknown option, or if it would still be larger; the errors of `curves`, `filters`, `predictions` and `neighbours` for values
 * that they cannot draw.
 */
export async function reportHtml(run: RunReport): Promise<string> {
  checkReport(run);
  const { title, subtitle, status, remarks, predictions = [], neighbours = [], footer } = run;
  const history = historyOf(run.metrics);
  const [before, after] = [await sectionsBeforeImages(run, history), sectionsAfterImages(run)];
  let bytes = 0;
  for (const detail of imageDetails) {
    const images = [
      ...(predictions.length > 0 ? [await predictionsSection(predictions, detail)] : []),
      ...(neighbours.length > 0 ? [await neighboursSection(neighbours, detail)] : []),
    ];
    const html = drawPage({
      title,
      ...(subtitle !== undefined && { subtitle }),
      lead: lead(history, status, remarks),
      sections: [...before, ...images, ...after],
      ...(footer !== undefined && { footer }),
    });
    bytes = Buffer.byteLength(html);
    if (bytes < mostBytes) return html;
  }
  throw new ConfigError(
    `the report would take ${(bytes / 1e6).toFixed(1)} MB, even with the lowest resolution of images; at most ${mostBytes / 1e6} are allowed: show fewer images`,
  );
}

function checkReport(run: RunReport): void {
  checkOptions('reportHtml', run, [
    'title',
    'subtitle',
    'status',
    'remarks',
    'metrics',
    'network',
    'columnNames',
    'results',
    'filters',
    'filtersOptions',
    'predictions',
    'neighbours',
    'speed',
    'memory',
    'environment',
    'settings',
    'remaking',
    'footer',
  ]);
  checkText('reportHtml', 'title', run.title);
  const { remarks = [], results = [], predictions = [], neighbours = [], environment = [], remaking = [] } = run;
  // What has no length would be left out without a word.
  for (const [name, list] of Object.entries({ remarks, results, predictions, neighbours, environment, remaking })) {
    checkArray('reportHtml', name, list);
  }
}

async function sectionsBeforeImages(run: RunReport, history: History): Promise<Section[]> {
  const { network, columnNames, results = [], filters, filtersOptions } = run;
  const sections = [
    network !== undefined && networkSection(network, columnNames),
    await learningSection(history),
    results.length > 0 && { id: 'errors', title: 'Errors compared with published ones', content: drawTables(results) },
    filters !== undefined && (await filtersSection(filters, filtersOptions, history)),
  ];
  return sections.filter((section) => section !== false);
}

function sectionsAfterImages({
  speed = {},
  memory = {},
  environment = [],
  settings = {},
  remaking = [],
}: RunReport): Section[] {
  const facts = [
    ...(hasAny(speed) ? [drawFacts('Speed', speed)] : []),
    ...(hasAny(memory) ? [drawFacts('Memory of the adapter', memory)] : []),
  ];
  const sections = [
    facts.length > 0 && { id: 'speed', title: 'Speed and memory', content: facts.join('') },
    environment.length > 0 && { id: 'environment', title: 'Provenance', content: drawTables(environment) },
    hasAny(settings) && { id: 'settings', title: 'Settings', content: drawFacts('Recipe, images and data', settings) },
    remaking.length > 0 && remakingSection(remaking),
  ];
  return sections.filter((section) => section !== false);
}

function drawTables(tables: readonly ReportTable[]): string {
  return tables.map((table) => drawTable(table)).join('');
}

function hasAny(facts: Facts): boolean {
  return Object.keys(facts).length > 0;
}
