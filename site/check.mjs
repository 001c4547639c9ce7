// Uses the built site in Chromium as a visitor does: npm run site:check
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openEmoji } from '@alex/data';
import sharp from 'sharp';
import { findChromium } from '../scripts/browser/chromium.mjs';
import { runInPage } from '../scripts/browser/page.mjs';

const main = fileURLToPath(new URL('../packages/cli/src/main.ts', import.meta.url));
const { reason, ...chromium } = await findChromium();
if (reason) {
  console.log(`skip  the site in a browser: ${reason}`);
} else {
  await checkTraining();
  await checkClassification();
}
process.exit(0);

function visit(page, given, { folders = {}, ...options } = {}) {
  const here = (name) => fileURLToPath(new URL(name, import.meta.url));
  return runInPage(chromium, {
    folders: { site: here('dist'), checks: here('checks'), ...folders },
    module: `/checks/${page}.mjs`,
    given: { address: `/site/${page}/index.html`, ...given },
    ...options,
  });
}

async function checkTraining() {
  const address = '/site/train/index.html#batch=4&classes=2';
  await visit('train', { address, webgpu: true });
  console.log('ok    the page of training: steps, pauses, draws, takes other settings and shares them');
  assert.match(await visit('train', { address, webgpu: false }, { webgpu: false }), /No adapter: /);
  console.log('ok    the page of training says what is missing without WebGPU');
}

/** What the page says of an image must be what the command says of it. */
async function checkClassification() {
  const folder = await mkdtemp(join(tmpdir(), 'alex-site-'));
  try {
    const [run, model, image] = ['run', 'mine.json', 'image.png'].map((name) => join(folder, name));
    const alexnet = async (...words) => {
      const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, main, ...words]);
      return stdout;
    };
    const { validation, classes } = await openEmoji({ size: 64, classes: 4 });
    const { pixels } = await validation.read([0]);
    await sharp(pixels, { raw: { width: 64, height: 64, channels: 3 } })
      .png()
      .toFile(image);
    await alexnet(
      'train',
      '--data',
      'emoji',
      '--classes',
      '4',
      '--model',
      'small',
      '--batch',
      '8',
      '--steps',
      '12',
      '--run',
      run,
    );
    const exported = JSON.parse(await alexnet('export', '--run', run, '--format', 'browser', '--to', model, '--json'));
    const [{ labels }] = JSON.parse(await alexnet('classify', image, '--run', run, '--json'));
    const files = exported.files.map((file) => basename(file));
    const given = { folder: '/model', files, image: basename(image) };
    for (const guesses of await visit('classify', given, { folders: { model: folder } })) {
      assert.equal(guesses.length, classes.length);
      for (const guess of guesses) {
        const [, label, percent] = /^(.*) ([\d.]+)%$/.exec(guess);
        const { probability } = labels.find((one) => one.label === label);
        // Weights in 16 bits, and a number with one decimal.
        assert.ok(Math.abs(percent / 100 - probability) < 0.004, `${guess}, but the command says ${probability}`);
      }
    }
    console.log('ok    the page of classification: files and addresses of models, images, what is missing');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
