// Checks the packages as users get them: npm run check:packages [-- --full] [-- --only NAME]
//
// Packs all packages, runs publint and attw on the tarballs, installs each with the command of its README in an empty
// folder, imports and requires it, runs its snippet and compiles it, runs the command in a folder with a difficult name,
// and bundles the program of a guide (with --only bundle, nothing else). With --full, it also does this on Node 22 and 24,
// and with every setting of two TypeScript versions.
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkBundle } from './bundle.mjs';
import { checkCommand } from './command.mjs';
import { npm, run } from './commands.mjs';
import * as consumer from './consumer.mjs';
import { faultsOfTarball, packAll } from './pack.mjs';
import { serveRegistry } from './registry.mjs';

const { values } = parseArgs({ options: { full: { type: 'boolean', default: false }, only: { type: 'string' } } });
const { full, only } = values;
const root = fileURLToPath(new URL('../..', import.meta.url));
const binary = (name) => join(root, 'node_modules', '.bin', name);
const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');
/** What consumers need to compile besides the packages. */
const nodeTypes = '@types/node@20';

/** What some snippets need of the machine: each says what is missing, if anything is. */
const needs = {
  '@alex/cluster': () =>
    spawnSync('mpirun', ['--version']).error && 'no MPI is installed here (Debian: openmpi-bin or mpich)',
};

const failures = [];
async function check(what, work) {
  const start = performance.now();
  try {
    await work();
    console.log(`ok    ${what} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failures.push(what);
    console.log(`FAILS ${what}\n${String(error.message).replaceAll(/^/gm, '        ')}`);
  }
}

const folder = await mkdtemp(join(tmpdir(), 'alex-packages-'));
let registry;
try {
  const packed = (await packAll(join(folder, 'tarballs'))).filter(
    ({ manifest }) => !only || manifest.name.endsWith(only),
  );
  registry = await serveRegistry(only ? await packAll(join(folder, 'tarballs')) : packed);
  for (const entry of packed) await check(`${entry.manifest.name}: tarball`, () => checkTarball(entry));
  const nodes = await nodesToTry();
  for (const entry of packed) await checkPackage(entry, nodes);
  if (!only) await checkTypes(packed);
  if (!only || only === 'cli') {
    const place = join(folder, 'ein Lauf é 日本');
    await consumer.emptyProject(place, registry.address, 'commonjs');
    await check('the command, in a folder with spaces and letters of all kinds', () => checkCommand(place, nodes));
  }
  if (!only || only === 'bundle') {
    const place = join(folder, 'bundled');
    await consumer.emptyProject(place, registry.address);
    await check('a program, bundled as the guide says', () => checkBundle(place, nodes));
  }
} finally {
  registry?.close();
  await rm(folder, { recursive: true, force: true });
}
if (failures.length > 0) console.error(`\n${failures.length} checks failed:\n  ${failures.join('\n  ')}`);
process.exitCode = failures.length > 0 ? 1 : 0;

async function checkTarball(entry) {
  const faults = await faultsOfTarball(entry);
  if (faults.length > 0) throw new Error(faults.join('\n'));
  await run(binary('publint'), ['run', entry.tarball, '--strict'], { cwd: root });
  if (consumer.entriesOf(entry.manifest).length > 0) {
    // Only ES modules: Node can require them from version 20.19.
    await run(binary('attw'), [entry.tarball, '--profile', 'esm-only', '--no-emoji'], { cwd: root });
  }
}

/** The Node that runs this, and with --full those that npm has for this platform. */
async function nodesToTry() {
  const nodes = [{ name: `Node ${process.versions.node}`, node: process.execPath }];
  if (!full) return nodes;
  for (const major of [20, 22, 24]) {
    if (process.versions.node.startsWith(`${major}.`)) continue;
    const place = join(folder, `node-${major}`);
    await consumer.emptyProject(place, registry.address);
    const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
    await check(`${name}@${major} from npm`, async () => {
      await consumer.install(place, [`${name}@${major}`]);
      const node = join(place, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
      nodes.push({ name: `Node ${(await run(node, ['--version'])).trim()}`, node });
    });
  }
  return nodes;
}

async function checkPackage(entry, nodes) {
  const { manifest } = entry;
  const place = join(folder, 'alone');
  const { packages, snippet } = await consumer.readmeOf(entry);
  const on = nodes.map(({ name }) => name).join(', ');
  await consumer.emptyProject(place, registry.address);
  await check(`${manifest.name}: npm install ${packages.join(' ')}`, () => consumer.install(place, packages));
  await check(`${manifest.name}: import and require, ${on}`, () => consumer.checkManners(place, manifest, nodes));
  const missing = needs[manifest.name]?.();
  if (missing) console.log(`skip  ${manifest.name}: the README's snippet: ${missing}`);
  else if (snippet) {
    await check(`${manifest.name}: the README's snippet, ${on}`, () => consumer.runSnippet(place, snippet, nodes));
  }
  const entries = consumer.entriesOf(manifest);
  if (full && entries.length > 0) {
    await check(`${manifest.name}: types, with nothing else installed`, async () => {
      await consumer.install(place, ['--save-dev', nodeTypes]);
      await writeFile(join(place, 'entries.ts'), consumer.consumerOf(entries)['entries.ts']);
      await consumer.compile(place, compiler, consumer.settings(false)[0], ['entries.ts']);
    });
  }
  await rm(place, { recursive: true, force: true });
}

/** All packages in one folder, with every setting. */
async function checkTypes(packed) {
  const place = join(folder, 'all');
  await consumer.emptyProject(place, registry.address);
  const names = packed.map(({ manifest }) => manifest.name);
  await check('all packages together', () => consumer.install(place, [...names, nodeTypes, 'webgpu']));
  const files = consumer.consumerOf(
    packed.flatMap(({ manifest }) => consumer.entriesOf(manifest)),
    {
      'types.ts': consumer.typesAreThere,
      'whole-device.ts': consumer.wholeDevice,
    },
  );
  for (const entry of packed) {
    const { snippet } = await consumer.readmeOf(entry);
    // A snippet's global types (`webgpu` brings WebGPU's types) must not help the other packages.
    if (snippet && !snippet.includes("'webgpu'"))
      files[`${entry.manifest.name.split('/')[1]}.ts`] = `export {};\n${snippet}`;
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(place, name), text);
  const plain = Object.keys(files).filter((name) => name !== 'whole-device.ts');
  const compilers = [{ name: 'TypeScript 5.9', path: compiler, knowsWebGpu: false }];
  if (full) compilers.push(await newestCompiler());
  for (const { name, path, knowsWebGpu } of compilers) {
    for (const setting of consumer.settings(full)) {
      const { moduleResolution, lib, exactOptionalPropertyTypes: exact } = setting;
      const whole = knowsWebGpu && lib.includes('DOM') ? ['whole-device.ts'] : [];
      const title = `${name}, ${moduleResolution}, lib ${lib}, ${exact ? 'exact' : 'loose'} optional properties`;
      await check(`types: ${title}`, () => consumer.compile(place, path, setting, [...plain, ...whole]));
    }
  }
  if (full) {
    const setting = { ...consumer.settings(false)[0], lib: ['ES2023', 'DOM'], types: ['node', '@webgpu/types'] };
    await check('types: TypeScript 5.9 with @webgpu/types', () =>
      consumer.compile(place, compiler, setting, Object.keys(files)),
    );
  }
}

async function newestCompiler() {
  const place = join(folder, 'typescript');
  await consumer.emptyProject(place, registry.address);
  await npm(['install', 'typescript@latest', '--prefer-offline', '--loglevel=error'], { cwd: place });
  const path = join(place, 'node_modules', 'typescript', 'bin', 'tsc');
  const version = (await run(process.execPath, [path, '--version'])).trim().split(' ').at(-1);
  return { name: `TypeScript ${version}`, path, knowsWebGpu: Number.parseInt(version, 10) >= 7 };
}
