// Runs in a separate process, in the folder of a consumer: node manners.mjs ENTRY... It imports and requires each
// entry, and reports side effects that importing a library must not have: listening to the process, setting globals,
// loading GPU drivers.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const require = createRequire(pathToFileURL(join(process.cwd(), 'consumer.js')));
const entries = process.argv.slice(2);

const state = () => ({
  listeners: process
    .eventNames()
    .flatMap((name) => process.listeners(name).map(() => String(name)))
    .sort()
    .join(' '),
  globals: Reflect.ownKeys(globalThis).map(String).sort().join(' '),
  drivers: process.report
    .getReport()
    .sharedObjects.filter((path) => /dawn|koffi|vulkan|swiftshader/i.test(path))
    .join(' '),
});

// Node creates some of its globals on first access, and loads some of its own modules late.
for (const name of Reflect.ownKeys(globalThis)) void globalThis[name];
const before = state();

function unchanged(after) {
  for (const [what, was] of Object.entries(before)) {
    const is = state()[what];
    if (is !== was) throw new Error(`${after} changes the ${what} of the process:\n  before: ${was}\n  after:  ${is}`);
  }
}

for (const entry of entries) {
  const imported = await import(pathToFileURL(require.resolve(entry)));
  unchanged(`import '${entry}'`);
  const required = require(entry);
  const names = (module) =>
    Object.keys(module)
      .filter((name) => name !== 'default' && name !== '__esModule')
      .sort()
      .join();
  if (names(imported) !== names(required)) throw new Error(`require('${entry}') has other names than import`);
  if (names(imported) === '') throw new Error(`import '${entry}' gives nothing`);
}

if (entries.includes('@alex/tensor')) {
  const { openGpu } = require('@alex/tensor');
  const [first, second] = [await openGpu(), await openGpu()];
  if (!process.listeners('exit').length) throw new Error('nobody releases adapters when the process ends');
  first.dispose();
  second.dispose();
  before.drivers = state().drivers;
  unchanged('openGpu() and dispose()');
}
