import { readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';
import type { TestProject } from 'vitest/node';
import { ownFolder } from './own-folder.base.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Address of the folder with the package's scripts as JavaScript; without a slash at the end. */
    bundle: string;
  }
}

/** A folder of bundled scripts, by its address without a slash at the end. */
export interface Bundle {
  readonly url: string;
  remove(): Promise<void>;
}

/**
 * Bundles some of a package's sources as JavaScript, as in a built package, for processes and threads that tests start.
 * Otherwise, each of these would spend more time on translating and finding hundreds of files than on its work.
 *
 * @param configUrl `import.meta.url` of a file in the package's folder
 * @param scripts the paths of their sources, relative to that folder, by the names that they get
 */
export async function bundleScripts(configUrl: string, scripts: Readonly<Record<string, string>>): Promise<Bundle> {
  const entryPoints = Object.fromEntries(
    Object.entries(scripts).map(([name, path]) => [name, fileURLToPath(new URL(path, configUrl))]),
  );
  // Below the package, so that its libraries are found from there.
  const modules = fileURLToPath(new URL('node_modules', configUrl));
  const folder = await ownFolder(modules, '.alex-scripts-');
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await build({
    entryPoints,
    outdir: folder,
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    conditions: ['@alex/source'],
    plugins: [sourcesOnly(folder, new Set(Object.values(entryPoints)))],
    logLevel: 'warning',
  });
  return { url: pathToFileURL(folder).href, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** Creates a global setup for a package's tests that bundles scripts before they start: see {@link bundleScripts}. */
export function bundledScripts(configUrl: string, scripts: Readonly<Record<string, string>>) {
  return async (project: TestProject): Promise<() => Promise<void>> => {
    const { url, remove } = await bundleScripts(configUrl, scripts);
    project.provide('bundle', url);
    return remove;
  };
}

/**
 * Bundles only our own sources; libraries stay where they are. Imported modules keep their original location and find
 * files next to it, but scripts start scripts of the bundle.
 */
function sourcesOnly(folder: string, scripts: ReadonlySet<string>): Plugin {
  const placeOf = (path: string) => (basename(path) === 'own-script.ts' ? join(folder, 'own-script.js') : path);
  return {
    name: 'sources only',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
        kind === 'entry-point' || path.startsWith('@alex/') || path === '#platform'
          ? undefined
          : { path, external: true },
      );
      onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const text = await readFile(path, 'utf8');
        if (scripts.has(path)) return { contents: text, loader: 'ts' };
        const place = JSON.stringify(pathToFileURL(placeOf(path)));
        return { contents: text.replaceAll('import.meta.url', place), loader: 'ts' };
      });
    },
  };
}
