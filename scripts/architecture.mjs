// Generates the diagram of packages in docs/architecture.md from their imports, and enforces the rules of their tiers.
//
//   node scripts/architecture.mjs writes the diagram
//   node scripts/architecture.mjs --check fails if the diagram is outdated or an import points up
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * The tiers from the bottom up. A package imports packages of lower tiers, and of its own tier only if `beside` is set.
 */
const floors = [
  { name: 'ground', packages: ['software-gpu', 'tensor'], beside: true },
  { name: 'layers', packages: ['activations', 'dropout', 'layers-conv', 'layers-dense', 'lrn', 'pool'], beside: false },
  {
    name: 'networks',
    packages: ['augment', 'cluster', 'data', 'loss', 'model-alexnet', 'multi-gpu', 'onnx', 'optim'],
    beside: true,
  },
  { name: 'training', packages: ['report', 'trainer'], beside: true },
  { name: 'command', packages: ['cli'], beside: false },
  { name: 'programs', packages: ['benchmarks', 'cifar-10', 'figure-1', 'imagenet-train', 'own-layer'], beside: false },
];

/** The modules of `tensor`: each imports only those before it (and the files next to them, which import no module). */
const rooms = ['platform', 'adapter', 'kernel', 'math', 'random', 'network', 'testing'];

const folders = ['packages', 'examples', '.'].flatMap((parent) =>
  readdirSync(join(root, parent), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'node_modules')
    .map((entry) => join(root, parent, entry.name))
    .filter((folder) => existsSync(join(folder, 'package.json')) && existsSync(join(folder, 'src'))),
);

const floorOf = (name) => floors.findIndex((floor) => floor.packages.includes(name));

function sources(folder) {
  return (
    readdirSync(folder, { recursive: true })
      // Hidden folders belong to running tests.
      .filter((file) => !file.split(/[/\\]/).some((part) => part.startsWith('.')))
      .map((file) => join(folder, file))
      .filter((file) => file.endsWith('.ts') && !/\.(test|fixture)\.ts$/.test(file))
  );
}

function importsOf(file) {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/(?:from|import\()\s*'([^']+)'/g)].map((match) => match[1]);
}

const faults = [];
const arrows = new Set();
const roomArrows = new Set();
for (const folder of folders) {
  const name = folder.split('/').at(-1);
  const floor = floorOf(name);
  if (floor < 0) faults.push(`${name} is in no tier: add it to scripts/architecture.mjs`);
  for (const file of sources(join(folder, 'src'))) {
    for (const specifier of importsOf(file)) {
      const other = /^@alex\/([^/]+)/.exec(specifier)?.[1];
      // A snippet in a comment or a test harness may name the package itself.
      if (!other || other === name) continue;
      arrows.add(`${name} --> ${other}`);
      const below = floorOf(other);
      if (below > floor || (below === floor && !floors[floor].beside)) {
        faults.push(`${relative(root, file)} imports ${specifier}, which is not below it`);
      }
    }
  }
}

const tensor = join(root, 'packages/tensor/src');
for (const [position, room] of rooms.entries()) {
  for (const file of sources(join(tensor, room))) {
    for (const specifier of importsOf(file)) {
      const other = rooms.find((candidate) => specifier.startsWith(`../${candidate}/`));
      if (!other) continue;
      roomArrows.add(`${room} --> ${other}`);
      if (rooms.indexOf(other) > position)
        faults.push(`${relative(root, file)} imports ${specifier}: ${other} comes after ${room}`);
    }
  }
}

// Files of a package must not form import cycles, including type imports.
for (const folder of folders) {
  const files = sources(join(folder, 'src'));
  const imports = new Map(
    files.map((file) => [
      file,
      importsOf(file)
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => join(dirname(file), specifier.replace(/\.js$/, '.ts')))
        .filter((other) => files.includes(other)),
    ]),
  );
  const done = new Set();
  const walk = (file, path) => {
    const at = path.indexOf(file);
    if (at >= 0) {
      const circle = [...path.slice(at), file].map((member) => relative(root, member));
      faults.push(`an import cycle: ${circle.join(' -> ')}`);
    }
    if (at >= 0 || done.has(file)) return;
    for (const other of imports.get(file)) walk(other, [...path, file]);
    done.add(file);
  };
  for (const file of files) walk(file, []);
}

/** Transitive arrows are omitted to keep the diagram readable. */
function reduced(all) {
  const edges = [...all].map((arrow) => arrow.split(' --> '));
  const reaches = (from, to, direct) =>
    edges.some(([a, b]) => a === from && !(direct && b === to) && (b === to || reaches(b, to, false)));
  return edges.filter(([from, to]) => !reaches(from, to, true)).map((edge) => edge.join(' --> '));
}

const floorBlocks = floors
  .map((floor, index) => ({ ...floor, index }))
  .reverse()
  .map(
    (floor) =>
      `  subgraph ${floor.name}["${floor.index}  ${floor.name}"]\n${floor.packages.map((name) => `    ${name}`).join('\n')}\n  end`,
  );
const drawing = [
  '```mermaid',
  'flowchart TD',
  ...floorBlocks,
  ...reduced(arrows)
    .sort()
    .map((arrow) => `  ${arrow}`),
  '```',
].join('\n');
const roomDrawing = [
  '```mermaid',
  'flowchart RL',
  ...reduced(roomArrows)
    .sort()
    .map((arrow) => `  ${arrow}`),
  '```',
].join('\n');

const page = join(root, 'docs/architecture.md');
const before = readFileSync(page, 'utf8');
const after = before
  .replace(/(<!-- floors -->\n)[\s\S]*?(\n<!-- end -->)/, (_, start, end) => start + drawing + end)
  .replace(/(<!-- rooms -->\n)[\s\S]*?(\n<!-- end -->)/, (_, start, end) => start + roomDrawing + end);
if (process.argv.includes('--check')) {
  if (after !== before)
    faults.push('the diagram in docs/architecture.md is outdated: run node scripts/architecture.mjs');
} else {
  writeFileSync(page, after);
}
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exit(1);
