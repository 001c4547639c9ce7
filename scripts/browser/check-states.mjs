// What a page sees if something is missing or fails, and its tuning cache.
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTuningCache } from '@alex/tensor/kernels';
import { bundleProgram } from './bundles.mjs';

export async function checkStates(check, run, folder) {
  let bundled;
  const state = async (name, options) => {
    // Minified, as in most pages: that must not change what errors say.
    bundled ??= readFile(new URL('states.mjs', import.meta.url), 'utf8').then((text) =>
      bundleProgram(text, join(folder, 'states.js')),
    );
    await bundled;
    return run('/work/states.js', { importMap: {}, given: { state: name }, ...options });
  };
  await check('says that there is no adapter', async () => {
    const { adapters, message } = await state('absent', { webgpu: false });
    assert.deepEqual(adapters, []);
    assert.match(message, /offers no adapter.*hardware acceleration/);
  });
  await check('says that a page from http: has no WebGPU', async () => {
    const flags = ['--host-resolver-rules=MAP page.test 127.0.0.1'];
    const { message } = await state('absent', { host: 'page.test', flags });
    assert.match(message, /only to pages from https:/);
  });
  await check('says that a device was lost, and trains on the next one', async () => {
    const { told, step, sameLoss } = await state('lost');
    assert.equal(told, 'AdapterLostError');
    assert.match(step, /was lost/);
    assert.ok(sameLoss, 'the next device gives another loss');
  });
  await check("trains with WebGPU's smallest limits, and says what exceeds them", async () => {
    const { bindingBytes, difference, message, refused } = await state('small');
    assert.equal(bindingBytes, 128 * 2 ** 20);
    assert.ok(difference < 1e-5, `losses differ by ${difference}`);
    assert.match(message, /more than the 268435456 bytes/);
    assert.match(refused, /provides no device: limits/);
  });
  await check('refuses what needs files or an environment', async () => {
    const [environment, exported, imported] = await state('refused');
    assert.match(environment, /^environment: .* select by "adapter"/);
    assert.match(exported, /^exportTunings: .* tuningsOf/);
    assert.match(imported, /^importTunings: .* useTunings/);
  });
  await check('stores tunings in the database as Node does in files', async () => {
    const found = await run('/scripts/tuning.mjs');
    assert.ok(found.tuned.length > 0);
    assert.deepEqual(found.later, { tunings: found.tunings, tuned: [] });
    assert.deepEqual(found.avoided, [['a/1/', [{ choice: 'risky', reason: 'crashes' }]]]);
    assert.equal(found.afterDamage, 0);
    assert.equal(found.problems.length, 1);
    assert.match(found.problems[0], /is truncated, or not a tunings file/);
    const folder = await mkdtemp(join(tmpdir(), 'alex-tunings-'));
    try {
      await createTuningCache(folder).save(found.adapter, new Map(found.tunings));
      const files = await readdir(folder);
      assert.deepEqual(
        found.texts,
        Object.fromEntries(
          await Promise.all(files.map(async (file) => [`tunings/${file}`, await readFile(join(folder, file), 'utf8')])),
        ),
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    return `${found.tuned.length} of "${found.adapter.name}"`;
  });
}
