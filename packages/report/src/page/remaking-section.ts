import { escapeXml } from '../text.js';
import { details, type Section } from './elements.js';

/** One thing to do to make a run again. */
export interface RemakingStep {
  /** What it does, in words. */
  readonly what: string;
  /** Commands, a line each; or the content of a file. */
  readonly lines: readonly string[];
  /** Whether the lines are long and wanted by few. Default: false. */
  readonly folded?: boolean;
}

/** Every command that makes the run again. */
export function remakingSection(steps: readonly RemakingStep[]): Section {
  const items = steps.map(({ what, lines, folded = false }) => {
    const text = `<pre><code>${escapeXml(lines.join('\n'))}</code></pre>`;
    return `<li${folded ? ' class="folded"' : ''}>${folded ? details(what, text) : `${escapeXml(what)}${text}`}</li>`;
  });
  return { id: 'again', title: 'Make it again', content: `<ol class="steps">${items.join('')}</ol>` };
}
