import { createRequire } from 'node:module';
import axe from 'axe-core';

/** The parts of a document that tests use; the project does not include the types of browsers. */
export interface Element {
  readonly textContent: string;
  readonly tagName: string;
  readonly id: string;
  getAttribute(name: string): string | null;
  querySelector(selector: string): Element | null;
  querySelectorAll(selector: string): Iterable<Element>;
}

interface Dom {
  readonly window: {
    readonly document: Element;
    eval(source: string): unknown;
    readonly axe: { run(context: unknown, options: object): Promise<{ readonly violations: readonly Violation[] }> };
  };
}

interface Violation {
  readonly id: string;
  readonly help: string;
  readonly nodes: readonly { readonly html: string }[];
}

// It has no types.
const { JSDOM } = createRequire(import.meta.url)('jsdom') as {
  readonly JSDOM: new (content: string, options?: object) => Dom;
};

/** A page as a browser without scripts reads it. */
export function parsePage(html: string): Element {
  return new JSDOM(html).window.document;
}

/** An SVG, read as strictly as XML is. */
export function parseSvg(svg: string): Element {
  return new JSDOM(svg, { contentType: 'image/svg+xml' }).window.document;
}

/**
 * The problems that axe finds in a page, one per line. Contrast needs a browser that draws, so the palette's test checks
 * it.
 */
export async function accessibilityFaults(html: string): Promise<string[]> {
  const { window } = new JSDOM(html, { runScripts: 'outside-only' });
  window.eval(axe.source);
  const { violations } = await window.axe.run(window.document, { rules: { 'color-contrast': { enabled: false } } });
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes[0]?.html.slice(0, 200)}`);
}

/** The cells of the table with this caption, row by row, the head first. */
export function cellsOf(page: Element, caption: string): string[][] {
  const table = [...page.querySelectorAll('table')].find(
    (each) => each.querySelector('caption')?.textContent === caption,
  );
  if (!table) throw new Error(`there is no table "${caption}"`);
  return [...table.querySelectorAll('tr')].map((row) =>
    [...row.querySelectorAll('th, td')].map((cell) => cell.textContent),
  );
}
