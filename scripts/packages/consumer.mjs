// What a user does to install a package: an empty folder, the README's install command, its snippet, the compiler.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ts from 'typescript';
import { npm, run } from './commands.mjs';

const manners = new URL('manners.mjs', import.meta.url);

/** An empty project that gets `@alex/*` from this registry. */
export async function emptyProject(folder, registry, type = 'module') {
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, '.npmrc'),
    `@alex:registry=${registry}\naudit=false\nfund=false\nupdate-notifier=false\n`,
  );
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type }));
}

export function install(folder, packages) {
  return npm(['install', '--prefer-offline', '--ignore-scripts', '--loglevel=error', ...packages], { cwd: folder });
}

/** The packages in the README's install command, and its first snippet. */
export async function readmeOf({ source, manifest }) {
  const text = await readFile(join(source, 'README.md'), 'utf8');
  const line = /npm install (@alex\/[^\n#]+)/.exec(text)?.[1];
  return {
    packages: line?.trim().split(/\s+/) ?? [manifest.name],
    snippet: /^```ts[^\S\n]*\n([\s\S]*?)^```/m.exec(text)?.[1],
  };
}

/** The names for importing a package. */
export function entriesOf({ exports = {}, name }) {
  return Object.keys(exports)
    .filter((path) => !path.endsWith('.json'))
    .map((path) => name + path.slice(1));
}

/** Runs a README's snippet as a module, with each of these Nodes. */
export async function runSnippet(folder, snippet, nodes) {
  const { outputText } = ts.transpileModule(snippet, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  await writeFile(join(folder, 'snippet.mjs'), outputText);
  for (const { node } of nodes) await run(node, ['snippet.mjs'], { cwd: folder });
}

/** Imports and requires all entries of a package, with each of these Nodes. */
export async function checkManners(folder, manifest, nodes) {
  const entries = entriesOf(manifest);
  if (entries.length === 0) return;
  await writeFile(join(folder, 'manners.mjs'), await readFile(manners));
  for (const { node } of nodes) await run(node, ['manners.mjs', ...entries], { cwd: folder });
}

/** A module that uses all exports of these entries, and would fail to compile if a type were `any`. */
export function consumerOf(entries, snippets) {
  const uses = entries.map((entry, index) => `import * as entry${index} from '${entry}';\nexport { entry${index} };`);
  return { 'entries.ts': uses.join('\n'), ...snippets };
}

/** `gpu` must have types: every line here is an error, and an unused `@ts-expect-error` is an error too. */
export const typesAreThere = `
import type { Gpu } from '@alex/tensor';
declare const gpu: Gpu;
// @ts-expect-error
gpu.device.thisDoesNotExist();
// @ts-expect-error
const text: string = gpu.limits.maxBufferSize;
// @ts-expect-error
gpu.createBuffer({ label: 'a', size: '4', usage: 128 }).nothing;
export { text };
`;

/** If the compiler knows WebGPU's types, the whole device is one cast away. */
export const wholeDevice = `
import type { Gpu } from '@alex/tensor';
declare const gpu: Gpu;
export const device: GPUDevice = gpu.device as GPUDevice;
export const buffer: GPUBuffer = gpu.createBuffer({ label: 'a', size: 4, usage: 128 }) as GPUBuffer;
`;

/** The settings of consumers: all if `full`, otherwise one. */
export function settings(full) {
  const modules = full
    ? [
        { module: 'node16', moduleResolution: 'node16' },
        { module: 'nodenext', moduleResolution: 'nodenext' },
        { module: 'esnext', moduleResolution: 'bundler' },
      ]
    : [{ module: 'nodenext', moduleResolution: 'nodenext' }];
  const libraries = full ? [['ES2023'], ['ES2023', 'DOM']] : [['ES2023']];
  return modules.flatMap((module) =>
    libraries.flatMap((lib) =>
      (full ? [true, false] : [true]).map((exactOptionalPropertyTypes) => ({
        ...module,
        lib,
        exactOptionalPropertyTypes,
        target: 'es2022',
        types: ['node'],
        strict: true,
        skipLibCheck: false,
        noEmit: true,
      })),
    ),
  );
}

/** Compiles files with one compiler and one setting. */
export async function compile(folder, compiler, compilerOptions, files) {
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
  await run(process.execPath, [compiler, '--project', 'tsconfig.json'], { cwd: folder });
}
