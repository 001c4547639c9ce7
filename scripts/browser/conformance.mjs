// Bundles the conformance suite of every layer for a page: the calls of `describeLayer` in the packages' own tests.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { folders, root } from './packages.mjs';

/** The test files that contain the suite. */
const suites = Object.entries(folders).flatMap(([name, folder]) =>
  // That package tests the suite itself.
  name === 'tensor'
    ? []
    : readdirSync(join(folder, 'src'))
        .filter((file) => file.endsWith('.test.ts'))
        .map((file) => join(folder, 'src', file))
        .filter((file) => readFileSync(file, 'utf8').includes('describeLayer(')),
);

const packageOf = (file) => file.slice(root.length).split('/')[1];

/** The packages that have layers. */
export const suitePackages = [...new Set(suites.map(packageOf))].sort();

/** Stands for vitest: opens what `describe` encloses, and leaves out all other tests. */
const vitest = `
const open = (_, body) => body();
const none = () => undefined;
const each = (cases) => (_, body) => cases.forEach((one) => (Array.isArray(one) ? body(...one) : body(one)));
export const describe = Object.assign(open, { each, skipIf: () => open, runIf: () => open });
export const it = Object.assign(() => undefined, { each: () => none, skipIf: () => none, runIf: () => none });
export const test = it;
export const [beforeAll, afterAll, beforeEach, afterEach, expect] = Array(5).fill(none);
export const vi = {};
`;

/** The module that the tests import `describeLayer` from; it collects the tests of the suite. */
const testing = `
import { describeLayer as describeFor } from '@alex/tensor/testing?itself';
export * from '@alex/tensor/testing?itself';
export const tests = [];
let own;
export const testsOf = (name) => { own = name; };
export function describeLayer(layer, given, suite) {
  let title;
  let cases = 0;
  const describe = (name, body) => { title = name; cases++; body(); };
  const it = (name, run) => {
    const isSlow = cases > 1 && name.endsWith('as on a GPU');
    tests.push({ from: own, name: title + ': ' + name, run, isSlow });
  };
  describeFor(layer, given, { ...suite, describe, it });
}
`;

/** Stands for what reads examples from the sources, which only the other tests do. */
const examples = `export const runExamples = undefined;`;

/** Imported before the tests of a package: says whose they are. */
const announcing = (name) => `import { testsOf } from '@alex/tensor/testing';\ntestsOf('${name}');`;

/**
 * Runs a share of what was collected: each `of`-th test from number `from` on. Kernels meant for GPUs take a software driver
 * seconds to compile; without `full`, only the first case of each layer runs with them.
 */
const page = `
import { tests, testGpu } from '@alex/tensor/testing';
${suites.map((file) => `import 'package:${packageOf(file)}';\nimport ${JSON.stringify(file)};`).join('\n')}
export default async ({ from, of, full }) => {
  const { name, kind } = (await testGpu()).description;
  const own = tests.filter(({ isSlow }) => full || !isSlow).filter((_, index) => index % of === from);
  const failures = [];
  for (const { name, run } of own) {
    try {
      await run();
    } catch (error) {
      failures.push(name + ': ' + (error?.stack ?? error));
    }
  }
  return { adapter: name, kind, packages: own.map(({ from }) => from), failures };
};
`;

/** Bundles the suite of all layers, from the sources, as a module whose default export runs it. */
export async function bundleConformance(outfile) {
  await build({
    stdin: { contents: page, resolveDir: root },
    outfile,
    bundle: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2023',
    conditions: ['@alex/source'],
    logLevel: 'silent',
    // Test files have side effects, whatever the manifests of their packages say.
    ignoreAnnotations: true,
    plugins: [
      {
        name: 'only the suite',
        setup({ onResolve, onLoad }) {
          onResolve({ filter: /^vitest$/ }, () => ({ path: 'vitest', namespace: 'stand-in' }));
          onResolve({ filter: /^@alex\/tensor\/testing$/ }, () => ({ path: 'testing', namespace: 'stand-in' }));
          onResolve({ filter: /^@alex\/tensor\/testing\?itself$/ }, () => ({
            path: join(folders.tensor, 'src/testing.ts'),
          }));
          onResolve({ filter: /\/example\.base\.js$/ }, () => ({ path: 'examples', namespace: 'stand-in' }));
          onResolve({ filter: /^package:/ }, ({ path }) => ({ path, namespace: 'stand-in' }));
          onLoad({ filter: /.*/, namespace: 'stand-in' }, ({ path }) => ({
            contents: { vitest, testing, examples }[path] ?? announcing(path.slice('package:'.length)),
            resolveDir: root,
          }));
        },
      },
    ],
  });
}
