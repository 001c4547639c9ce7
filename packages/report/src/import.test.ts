import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, it } from 'vitest';

it('importing the package loads neither ECharts nor sharp, which take a second: they are loaded when something is drawn', async () => {
  const { metafile } = await build({
    entryPoints: [fileURLToPath(new URL('index.ts', import.meta.url))],
    bundle: true,
    // What is imported lazily gets a file of its own.
    splitting: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    outdir: 'out',
    write: false,
    metafile: true,
  });
  const { outputs } = metafile;
  const loaded = (file: string, kind: string): string[] =>
    outputs[file]!.imports.filter((one) => one.kind === kind).flatMap(({ path, external }) =>
      external ? path : loaded(path, kind),
    );
  const packagesOf = (paths: string[]) => [...new Set(paths.filter((path) => !path.startsWith('node:')))].sort();
  expect(packagesOf(loaded('out/index.js', 'import-statement'))).toEqual([
    '@alex/tensor',
    '@alex/tensor/kernels',
    '@alex/tensor/network',
  ]);
  const lazily = Object.values(outputs).flatMap(({ imports }) =>
    imports.filter(({ kind }) => kind === 'dynamic-import'),
  );
  expect(lazily.map(({ path }) => path)).toEqual(expect.arrayContaining(['sharp', expect.stringContaining('echarts')]));
});
