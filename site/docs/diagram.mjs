import { instance } from '@viz-js/viz';

const viz = await instance();

/**
 * Draws a Mermaid flowchart of names, groups and arrows, the form that `scripts/architecture.mjs` writes, as SVG in the colour of
 * the text around it.
 *
 * @throws Error for any other statement
 */
export function drawDiagram(mermaid) {
  const statements = mermaid.trim().split('\n').slice(1).map(toDot);
  const dot = `digraph { rankdir=TB; node [shape=box, style=rounded, fontname=sans]; graph [fontname=sans, style=dashed];\n${statements.join('\n')}\n}`;
  const svg = viz.renderString(dot, { format: 'svg', engine: 'dot' });
  return svg
    .slice(svg.indexOf('<svg'))
    .replace(
      /<svg width="[^"]*" height="[^"]*"/,
      '<svg role="img" aria-label="Diagram" style="max-width: 100%; height: auto"',
    )
    .replace(/<polygon fill="white"[^>]*\/>/, '')
    .replaceAll('"black"', '"currentColor"')
    .replaceAll('<text ', '<text fill="currentColor" ')
    .replaceAll(/<title>[^<]*<\/title>|<!--[\s\S]*?-->/g, '')
    .replaceAll(/\s*\n\s*/g, ' ');
}

function toDot(line) {
  const group = /^\s*subgraph (\w+)\["(.*)"\]$/.exec(line);
  if (group) return `subgraph cluster_${group[1]} { label="${group[2]}";`;
  const arrow = /^\s*([\w-]+) --> ([\w-]+)$/.exec(line);
  if (arrow) return `"${arrow[1]}" -> "${arrow[2]}";`;
  if (/^\s*end$/.test(line)) return '}';
  const name = /^\s*([\w-]+)$/.exec(line);
  if (name) return `"${name[1]}";`;
  throw new Error(`site/docs/diagram.mjs cannot draw: ${line}`);
}
