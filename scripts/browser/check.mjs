// Checks that the packages run in a browser, as docs/guides/in-a-browser.md says: npm run check:browser [-- --full] [-- --only WORD]
//
// Compiles the built packages without Node's types, and bundles them by esbuild and by Vite, which must reach no module of Node, and measures the bundle of the
// guide's classifier. In Chromium, it runs the packages as plain ES modules and bundled: training steps, which must give
// the same bits as in Node, the conformance suite of all layers, the guide's programs, the tuning cache, and what a page
// sees if something is missing. Without a Chromium, it says so and only bundles.
// With --full, every case of the suite also runs the kernels meant for GPUs, which takes a software driver minutes.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { listAdapters } from '@alex/tensor';
import { bundleByVite, bundleEntry, bundleProgram, compileForPage } from './bundles.mjs';
import { checkStates } from './check-states.mjs';
import { findChromium } from './chromium.mjs';
import { bundleConformance, suitePackages } from './conformance.mjs';
import { checkClassifier, classifier, trainingPage } from './guide.mjs';
import { entries, folders, importMap, root } from './packages.mjs';
import { runInPage } from './page.mjs';
import train from './training.mjs';

/** The largest bundle of the guide's classifier, compressed. */
const mostBytes = 150_000;

const { values } = parseArgs({ options: { full: { type: 'boolean', default: false }, only: { type: 'string' } } });
const { full, only } = values;
const scripts = join(root, 'scripts/browser');
const failures = [];
async function check(what, work) {
  if (only && !what.includes(only)) return;
  const start = performance.now();
  try {
    const said = await work();
    const took = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`ok    ${what}${said ? `: ${said}` : ''} (${took} s)`);
  } catch (error) {
    failures.push(what);
    console.log(`FAILS ${what}\n${String(error.stack).replaceAll(/^/gm, '        ')}`);
  }
}

const cache = join(root, 'node_modules/.cache/alex');
await mkdir(cache, { recursive: true });
// In the project, where bundlers find the packages.
const folder = await mkdtemp(join(cache, 'browser-'));
try {
  await checkBundles();
  const { reason, ...chromium } = await findChromium();
  if (reason) console.log(`skip  everything in a page: ${reason}`);
  else await checkPages(chromium);
} finally {
  await rm(folder, { recursive: true, force: true });
}
if (failures.length > 0) console.error(`\n${failures.length} checks failed:\n  ${failures.join('\n  ')}`);
// Adapters of Node are still open after a failure.
process.exit(failures.length > 0 ? 1 : 0);

async function checkBundles() {
  await check("their types, and the guide's program, compile without Node's", async () =>
    compileForPage(entries, await classifier(), folder),
  );
  await check(`esbuild bundles each of ${entries.length} entries`, async () => {
    for (const entry of entries) {
      await bundleEntry(entry).catch((error) => assert.fail(`${entry}: ${error.message}`));
    }
  });
  await check('Vite bundles all of them', () => bundleByVite(join(scripts, 'training.mjs'), entries, folder));
  await check('the classifier of the guide is small', async () => {
    const { minified, compressed } = await bundleProgram(await classifier(), join(folder, 'classify.js'));
    assert.ok(compressed <= mostBytes, `${compressed} bytes compressed, more than ${mostBytes}`);
    return `${minified} bytes minified, ${compressed} compressed`;
  });
}

async function checkPages(chromium) {
  const served = { ...folders, scripts, work: folder, node_modules: join(root, 'node_modules') };
  const run = (module, options) => runInPage(chromium, { folders: served, module, importMap, ...options });
  await check('50 training steps give the same bits as in Node', async () => {
    const adapters = await listAdapters();
    if (!adapters.some(({ name }) => /swiftshader/i.test(name))) return 'skipped, Node has no SwiftShader here';
    const inNode = await train();
    assert.equal(new Set(inNode.losses).size, 50, 'every step changes the loss');
    const inPage = await run('/scripts/training.mjs');
    assert.deepEqual(inPage.losses, inNode.losses);
    assert.equal(inPage.parameters, inNode.parameters);
    assert.equal(inPage.liveBuffers, 0);
    assert.equal(inPage.timers, 0, 'a step waits for a timer');
    const inWorker = await run('/scripts/in-worker.mjs', { given: { steps: 3 }, importMap: {} });
    assert.deepEqual(inWorker.losses, inNode.losses.slice(0, 3), 'bundled by Vite, in a worker');
    return `losses ${inNode.losses[0].toFixed(7)} to ${inNode.losses.at(-1).toFixed(7)}`;
  });
  await check('the conformance suite of all layers', () => checkConformance(run));
  await check('the guide trains without a bundler', async () => {
    const { module, ...page } = await trainingPage(folder);
    assert.deepEqual(await run(module, page), ['0% wrong']);
  });
  await check('the guide classifies an image as the command does', () => checkClassifier(run, folder));
  await checkStates(check, run, folder);
}

/** Half of the tests in each of two pages, since one uses one core most of the time. */
async function checkConformance(run) {
  const file = 'conformance.js';
  await bundleConformance(join(folder, file));
  const of = Math.min(2, availableParallelism());
  const shares = await Promise.all(
    Array.from({ length: of }, (_, from) => run(`/work/${file}`, { given: { from, of, full }, importMap: {} })),
  );
  const failed = shares.flatMap(({ failures }) => failures);
  assert.equal(failed.length, 0, failed.join('\n'));
  const tested = shares.flatMap(({ packages }) => packages);
  assert.deepEqual([...new Set(tested)].sort(), suitePackages);
  return `${tested.length} tests of ${suitePackages.join(', ')}`;
}
