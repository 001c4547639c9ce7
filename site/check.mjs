// Uses the built site in Chromium as a visitor does: npm run site:check
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { findChromium } from '../scripts/browser/chromium.mjs';
import { runInPage } from '../scripts/browser/page.mjs';

const { reason, ...chromium } = await findChromium();
if (reason) {
  console.log(`skip  the site in a browser: ${reason}`);
} else {
  const folders = {
    site: fileURLToPath(new URL('dist', import.meta.url)),
    checks: fileURLToPath(new URL('checks', import.meta.url)),
  };
  const address = '/site/train/index.html#batch=4&classes=2';
  const visit = (webgpu) =>
    runInPage(chromium, { folders, module: '/checks/train.mjs', given: { webgpu, address }, webgpu });
  await visit(true);
  console.log('ok    the page of training: steps, pauses, draws, takes other settings and shares them');
  assert.match(await visit(false), /No adapter: /);
  console.log('ok    the page of training says what is missing without WebGPU');
}
