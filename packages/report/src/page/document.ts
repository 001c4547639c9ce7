import { pageColours } from '../palette.js';
import { escapeXml } from '../text.js';
import { drawSection, type Section } from './elements.js';
import { pageStyle } from './style.js';

/** A page: everything in one file, without external resources or scripts. */
export interface Page {
  readonly title: string;
  /** One line below the title. */
  readonly subtitle?: string;
  /** HTML between the title and the contents. */
  readonly lead?: string;
  readonly sections: readonly Section[];
  /** One line at the end. */
  readonly footer?: string;
}

/** Assembles a page: for light and dark screens, narrow and wide ones, paper, keyboards and screen readers. */
export function drawPage({ title, subtitle, lead = '', sections, footer }: Page): string {
  const links = sections.map(({ id, title }) => `<li><a href="#${id}">${escapeXml(title)}</a></li>`);
  const contents = sections.length > 1 ? `<nav aria-label="Contents"><ul>${links.join('')}</ul></nav>` : '';
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeXml(title)}</title>
<style>${pageColours}${pageStyle}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header>
<h1>${escapeXml(title)}</h1>
${subtitle ? `<p>${escapeXml(subtitle)}</p>` : ''}
</header>
${contents}
<main id="main" tabindex="-1">
${lead}
${sections.map(drawSection).join('\n')}
</main>
${footer === undefined ? '' : `<footer><p>${escapeXml(footer)}</p></footer>`}
</body>
</html>
`;
}
