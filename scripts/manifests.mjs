// The parts of the manifest that are the same for every published package: licence, addresses, files, engines, exports.
// `node scripts/manifests.mjs` writes them to packages/*/package.json and copies LICENSE there; with --check, it only
// compares. It also checks each package's own parts (name, description, keywords, entries, dependencies).
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Where the project is hosted; the only place with this address. `--check` compares all addresses of the packages with
 * it.
 */
export const repository = 'https://github.com/alex-webgpu/alex';

/** Additional folders and files of packages besides `dist` and `src`. */
const extraFiles = {
  '@alex/cli': ['bin', 'recipes'],
  '@alex/report': ['assets'],
  '@alex/trainer': ['recipe.schema.json'],
};

/**
 * Sources are packed so that source maps and the condition `@alex/source` find them; tests and their helpers are not.
 */
const sources = ['CHANGELOG.md', 'dist', 'src', '!src/**/*.test.ts', '!src/**/*.fixture.ts'];
/** Helpers that only a package's own tests import; `@alex/tensor/testing` is public. */
const helpersOfTests = ['!src/**/testing.ts', '!src/**/testing', '!src/fuzz.ts'];

/**
 * Dependencies that do not appear in the code of a package: sets of emoji, and the driver that `@alex/tensor` finds.
 */
const usedOtherwise = [/^@iconify-json\//, /^@alex\/software-gpu$/];

/** The folders of the published packages. */
export function publishedPackages() {
  return readdirSync(join(root, 'packages'))
    .map((name) => ({ folder: join(root, 'packages', name), directory: `packages/${name}` }))
    .filter(({ folder }) => existsSync(join(folder, 'package.json')))
    .map((entry) => ({ ...entry, manifest: JSON.parse(readFileSync(join(entry.folder, 'package.json'), 'utf8')) }))
    .filter(({ manifest }) => !manifest.private);
}

function completed({ directory, manifest }) {
  const { name, version, description, keywords, sideEffects, type, engines, files, exports, ...rest } = manifest;
  for (const key of ['license', 'author', 'homepage', 'repository', 'bugs', 'publishConfig', 'bin']) delete rest[key];
  return {
    name,
    version,
    description,
    keywords,
    license: 'MIT',
    author: 'The Alex authors',
    homepage: `${repository}/tree/main/${directory}#readme`,
    repository: { type: 'git', url: `git+${repository}.git`, directory },
    bugs: `${repository}/issues`,
    type: 'module',
    ...(sideEffects !== undefined && { sideEffects }),
    engines: { node: '>=20.19' },
    files: [...(extraFiles[name] ?? []), ...sources, ...(name === '@alex/tensor' ? [] : helpersOfTests)],
    ...(manifest.bin && { bin: manifest.bin }),
    exports: { ...exports, './package.json': './package.json' },
    publishConfig: { access: 'public' },
    ...rest,
  };
}

/** Faults of a package that cannot be fixed automatically. */
function faults({ folder, manifest }) {
  const found = [];
  if (!manifest.description) found.push('has no description');
  if (!(manifest.keywords?.length >= 3)) found.push('has fewer than three keywords');
  const readme = readFileSync(join(folder, 'README.md'), 'utf8');
  for (const [, target] of readme.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (!/^(https:|#)/.test(target)) found.push(`README.md: the link ${target} does not work outside the repository`);
    if (target.includes('github.com') && target.includes('/alex') && !target.startsWith(repository)) {
      found.push(`README.md: the link ${target} does not begin with ${repository}`);
    }
    const path = target.startsWith(repository)
      ? target.slice(repository.length).match(/^\/(?:blob|tree)\/main\/([^#]*)/)?.[1]
      : undefined;
    if (path !== undefined && !existsSync(join(root, path))) found.push(`README.md: there is no ${path}`);
  }
  found.push(...faultsOfInstallLine(manifest.name, readme), ...faultsOfDependencies(folder, manifest));
  return found;
}

/** `NODE_ENV=production npm ci && npm start` only installs dependencies. */
function faultsOfScripts() {
  const { scripts, dependencies = {} } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return ['start', 'alexnet'].flatMap((script) => {
    const loader = /--import (\S+)/.exec(scripts[script])?.[1];
    const isThere = loader === undefined || dependencies[loader] !== undefined;
    return isThere ? [] : [`package.json: ${loader}, which npm run ${script} imports, must be among the dependencies`];
  });
}

/** A user who copies the install command and the snippet must get everything that the snippet imports. */
function faultsOfInstallLine(name, readme) {
  const installed = new Set((/npm install ([^\n#]+)/.exec(readme)?.[1] ?? '').trim().split(/\s+/));
  const snippet = /^```ts[^\n]*\n([\s\S]*?)^```/m.exec(readme)?.[1] ?? '';
  const missing = [name, ...importsOf(snippet)].filter((wanted) => !installed.has(wanted));
  if (snippet.includes('openGpu') && !installed.has('@alex/software-gpu')) missing.push('@alex/software-gpu');
  return missing.map((wanted) => `README.md: the install command lacks ${wanted}`);
}

function faultsOfDependencies(folder, manifest) {
  const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
  if (!existsSync(join(folder, 'dist'))) return [];
  const texts = filesUnder(join(folder, 'dist')).map((file) => readFileSync(file, 'utf8'));
  const used = new Set(texts.flatMap(importsOf));
  const undeclared = [...used].filter((name) => !declared.includes(name) && name !== manifest.name);
  const unused = Object.keys(manifest.dependencies ?? {}).filter(
    (name) => !texts.some((text) => text.includes(name)) && !usedOtherwise.some((pattern) => pattern.test(name)),
  );
  return [
    ...undeclared.map((name) => `dist imports ${name}, which is not a dependency`),
    ...unused.map((name) => `depends on ${name}, which nothing in dist uses`),
  ];
}

function filesUnder(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(js|d\.ts)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** The packages that a text imports. */
function importsOf(text) {
  const names = [
    ...text.matchAll(/^(?:import|export|\}).*?\bfrom ["']([^"'.][^"']*)["']|\bimport\(["']([^"'.][^"']*)["']\)/gm),
  ]
    .map(([, fixed, dynamic]) => fixed ?? dynamic)
    // Names with a # are the package's own.
    .filter((name) => !/^(node:|#)/.test(name) && !builtinModules.includes(name));
  return [
    ...new Set(
      names.map((name) =>
        name
          .split('/')
          .slice(0, name.startsWith('@') ? 2 : 1)
          .join('/'),
      ),
    ),
  ];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const check = process.argv.includes('--check');
  const license = readFileSync(join(root, 'LICENSE'), 'utf8');
  const wrong = [];
  for (const entry of publishedPackages()) {
    const { folder, directory } = entry;
    const wanted = { 'package.json': `${JSON.stringify(completed(entry), null, 2)}\n`, LICENSE: license };
    for (const [name, text] of Object.entries(wanted)) {
      const file = join(folder, name);
      const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
      const same =
        name === 'LICENSE'
          ? before === text
          : before !== '' && JSON.stringify(JSON.parse(before)) === JSON.stringify(JSON.parse(text));
      if (same) continue;
      if (check) wrong.push(`${directory}/${name} differs; write it with: node scripts/manifests.mjs`);
      else writeFileSync(file, text);
    }
    wrong.push(...faults(entry).map((fault) => `${directory}: ${fault}`));
  }
  wrong.push(...faultsOfScripts());
  for (const line of wrong) console.error(line);
  if (check || wrong.length > 0)
    console.log(wrong.length === 0 ? 'The manifests are in order.' : `${wrong.length} faults`);
  process.exitCode = wrong.length > 0 ? 1 : 0;
}
