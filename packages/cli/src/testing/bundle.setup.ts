import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Where the command lies as JavaScript: `main.mjs`, and what tests load before it. */
    bundle: string;
  }
}

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const entryPoints = [here('../main.ts'), here('ctrl-c-twice.ts'), here('full-disk.ts')];

/** Sources of ours are bundled and know where they lie, what they find beside them; libraries stay where they are. */
const ours: Plugin = {
  name: 'ours',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
      kind === 'entry-point' || path.startsWith('@alex/') ? undefined : { path, external: true },
    );
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const contents = await readFile(path, 'utf8');
      if (entryPoints.includes(path)) return { contents, loader: 'ts' };
      return { contents: contents.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path))), loader: 'ts' };
    });
  },
};

/**
 * Makes JavaScript of the command once for all processes that the tests start: each would spend more time on translating and
 * finding two hundred files than on the command.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // Below the package, from where its libraries are found.
  const modules = here('../../node_modules');
  await mkdir(modules, { recursive: true });
  const folder = await mkdtemp(join(modules, '.alex-command-'));
  await build({
    entryPoints,
    outdir: folder,
    entryNames: '[name]',
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    conditions: ['@alex/source'],
    plugins: [ours],
    logLevel: 'warning',
  });
  project.provide('bundle', folder);
  return () => rm(folder, { recursive: true, force: true });
}
