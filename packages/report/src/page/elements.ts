import { escapeXml } from '../text.js';

/** A table of a page; every cell is text. */
export interface ReportTable {
  /** The title above the table. */
  readonly caption: string;
  /** Names of the columns; the first one names the rows. */
  readonly columns: readonly string[];
  /** A cell for each column. */
  readonly rows: readonly (readonly string[])[];
  /** Indices of the rows of the run itself, among others. */
  readonly own?: readonly number[];
  /** The first column of numbers, which are aligned; all columns after it are numbers, too. Default: none. */
  readonly numbersFrom?: number;
  /** A note on the figures, below the table. */
  readonly note?: string;
}

/** Options for drawing a table. */
interface TableOptions {
  /** Whether a heading already gives its caption. Default: false. */
  readonly hidesCaption?: boolean;
}

/** Names and values, in order. */
export type Facts = Readonly<Record<string, string | number | boolean>>;

/** A part of a page with a heading, listed in the page's table of contents. */
export interface Section {
  /** The section's anchor. */
  readonly id: string;
  readonly title: string;
  readonly introduction?: string;
  /** HTML. */
  readonly content: string;
}

export function drawSection({ id, title, introduction, content }: Section): string {
  return (
    `<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${escapeXml(title)}</h2>` +
    `${introduction === undefined ? '' : `<p>${escapeXml(introduction)}</p>`}${content}</section>`
  );
}

/** A table that scrolls sideways on narrow screens. */
export function drawTable(
  { caption, columns, rows, own = [], numbersFrom, note }: ReportTable,
  { hidesCaption = false }: TableOptions = {},
): string {
  const head = columns.map((name) => `<th scope="col">${escapeXml(name)}</th>`).join('');
  const body = rows.map(([first = '', ...rest], index) => {
    const cells = rest.map((cell) => `<td>${escapeXml(cell)}</td>`).join('');
    return `<tr${own.includes(index) ? ' class="own"' : ''}><th scope="row">${escapeXml(first)}</th>${cells}</tr>`;
  });
  const table =
    `<table class="${numbersFrom === undefined ? 'words' : `numbers from${numbersFrom}`}"><caption${hidesCaption ? ' class="hidden"' : ''}>${escapeXml(caption)}</caption>` +
    `<thead><tr>${head}</tr></thead><tbody>${body.join('')}</tbody></table>`;
  return `${scrollable(`Table: ${caption}`, table)}${note === undefined ? '' : `<p class="note">${escapeXml(note)}</p>`}`;
}

/** Facts as a table of two columns. */
export function drawFacts(caption: string, facts: Facts): string {
  const rows = Object.entries(facts).map(
    ([name, value]) => `<tr><th scope="row">${escapeXml(name)}</th><td>${escapeXml(String(value))}</td></tr>`,
  );
  return scrollable(
    `Table: ${caption}`,
    `<table class="facts"><caption>${escapeXml(caption)}</caption><tbody>${rows.join('')}</tbody></table>`,
  );
}

/** Content that may be wider than the screen; it can be reached and scrolled by keyboard as well. */
export function scrollable(name: string, content: string): string {
  return `<div class="scroll" role="region" aria-label="${escapeXml(name)}" tabindex="0">${content}</div>`;
}

/** An image or drawing with a caption below it. */
export function figure(content: string, caption?: string): string {
  return `<figure>${content}${caption === undefined ? '' : `<figcaption>${escapeXml(caption)}</figcaption>`}</figure>`;
}

/** Content that is shown on demand, and always on paper. */
export function details(summary: string, content: string): string {
  return `<details><summary>${escapeXml(summary)}</summary>${content}</details>`;
}

/** Gives a drawing a name, for readers who cannot see it. */
export function named(svg: string, name: string): string {
  return svg.replace(/^<svg /, `<svg role="img" aria-label="${escapeXml(name)}" `);
}
