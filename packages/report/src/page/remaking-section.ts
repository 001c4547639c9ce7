import { escapeXml } from '../text.js';
import { details, type Section } from './elements.js';

/** One action for reproducing a run. */
export interface RemakingStep {
  /** Its description. */
  readonly what: string;
  /** Commands, one per line; or the contents of a file. */
  readonly lines: readonly string[];
  /** Whether the lines are long, and few readers need them. Default: false. */
  readonly folded?: boolean;
}

/** The commands that reproduce the run. */
export function remakingSection(steps: readonly RemakingStep[]): Section {
  const items = steps.map(({ what, lines, folded = false }) => {
    const text = `<pre><code>${escapeXml(lines.join('\n'))}</code></pre>`;
    return `<li${folded ? ' class="folded"' : ''}>${folded ? details(what, text) : `${escapeXml(what)}${text}`}</li>`;
  });
  return { id: 'again', title: 'How to reproduce it', content: `<ol class="steps">${items.join('')}</ol>` };
}
