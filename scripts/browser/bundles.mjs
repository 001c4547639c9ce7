// Bundles of the built packages for a page.
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { run } from '../packages/commands.mjs';
import { root } from './packages.mjs';

/** A module that uses everything that an entry exports, so that nothing is left out of its bundle. */
const everythingOf = (entries) =>
  entries
    .map((entry, index) => `import * as _${index} from '${entry}';\nglobalThis.used${index} = _${index};`)
    .join('\n');

/** Bundles text for a page by esbuild; throws if that reaches a module of Node, or one that is meant for Node. */
async function bundleText(contents, options = {}) {
  const { metafile, warnings } = await build({
    stdin: { contents, resolveDir: root, loader: 'ts' },
    bundle: true,
    platform: 'browser',
    format: 'esm',
    metafile: true,
    write: false,
    outdir: root,
    logLevel: 'silent',
    ...options,
  });
  const forNode = Object.keys(metafile.inputs).filter((file) =>
    /platform\.node|node_modules\/(webgpu|koffi)\//.test(file),
  );
  if (forNode.length > 0) throw new Error(`reaches ${forNode.join(', ')}`);
  // Files without side effects import each other for their side effects: both bundlers leave that out.
  const faults = warnings.filter(({ id }) => id !== 'ignored-bare-import');
  if (faults.length > 0) throw new Error(faults.map(({ text }) => text).join('\n'));
}

/** Compiles everything of all entries, and a program, for a page: with the types of the DOM and without those of Node. */
export async function compileForPage(entries, program, folder) {
  const compilerOptions = {
    ...{ target: 'ES2023', lib: ['ES2023', 'DOM', 'DOM.Iterable'], types: [] },
    ...{ module: 'ESNext', moduleResolution: 'Bundler', moduleDetection: 'force' },
    ...{ strict: true, exactOptionalPropertyTypes: true, noEmit: true, skipLibCheck: false },
  };
  const files = {
    'entries.ts': everythingOf(entries).replaceAll('globalThis.', 'export const '),
    'program.ts': program,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const config = join(folder, 'tsconfig.json');
  await writeFile(config, JSON.stringify({ compilerOptions, files: Object.keys(files) }));
  await run(process.execPath, [createRequire(import.meta.url).resolve('typescript/bin/tsc'), '-p', config]);
}

/** Bundles everything of an entry. */
export const bundleEntry = (entry) => bundleText(everythingOf([entry]));

/** Bundles a program of a guide. @returns bytes: minified, and compressed as web servers do */
export async function bundleProgram(text, outfile) {
  await bundleText(text, { minify: true, write: true, outdir: undefined, outfile });
  const bytes = await readFile(outfile);
  return { minified: bytes.length, compressed: gzipSync(bytes, { level: 9 }).length };
}

/** Bundles a module and everything of some entries by Vite; throws if it warns, as it does for a module of Node. */
export async function bundleByVite(module, entries, folder) {
  const { build } = await import(pathToFileURL(createRequire(import.meta.url).resolve('vite')).href);
  const program = join(folder, 'program.js');
  await writeFile(program, `${everythingOf(entries)}\nexport { default } from ${JSON.stringify(module)};\n`);
  const warnings = [];
  const warn = (message) => void warnings.push(message);
  const silent = () => undefined;
  await build({
    root: folder,
    configFile: false,
    logLevel: 'warn',
    customLogger: {
      ...{ info: silent, warn, warnOnce: warn, error: warn, clearScreen: silent },
      ...{ hasErrorLogged: () => false, hasWarned: false },
    },
    build: { outDir: 'vite', lib: { entry: program, formats: ['es'], fileName: 'program' } },
  });
  if (warnings.length > 0) throw new Error(warnings.join('\n'));
  const text = await readFile(join(folder, 'vite/program.js'), 'utf8');
  // What it puts in place of a module of Node.
  if (text.includes('__vite-browser-external')) throw new Error('the bundle reaches a module of Node');
}
