// The programs of docs/guides/in-a-browser.md.
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { run as runProgram } from '../packages/commands.mjs';
import { root } from './packages.mjs';

const text = () => readFile(join(root, 'docs/guides/in-a-browser.md'), 'utf8');

/** The program that a reader bundles. */
export const classifier = async () => /^```ts\n([\s\S]*?)^```/m.exec(await text())[1];

/** Writes a module that returns what a program prints. */
async function printing(folder, name, program) {
  await writeFile(
    join(folder, name),
    `export default async () => {
      const lines = [];
      console.log = (...words) => lines.push(words.join(' '));
      await import('/work/${program}');
      return lines;
    };`,
  );
  return `/work/${name}`;
}

/** The page without a bundler: its module and its import map. */
export async function trainingPage(folder) {
  const [, map, program] =
    /<script type="importmap">([\s\S]*?)<\/script>\s*<script type="module">([\s\S]*?)<\/script>/.exec(await text());
  await writeFile(join(folder, 'training-page.js'), program);
  return { module: await printing(folder, 'printing-page.js', 'training-page.js'), importMap: JSON.parse(map) };
}

/** Trains a little on images of three colours, and compares the bundled program with the command. */
export async function checkClassifier(run, folder) {
  const images = join(folder, 'my-images');
  for (const colour of ['blue', 'green', 'red']) {
    await mkdir(join(images, colour), { recursive: true });
    for (const name of ['1.png', '2.png']) await paint(colour, 40, 30, join(images, colour, name));
  }
  const alexnet = (...words) =>
    runProgram(process.execPath, [join(root, 'packages/cli/bin/alexnet.js'), ...words, '--adapter', 'SwiftShader'], {
      cwd: folder,
    });
  const training = ['--model', 'small', '--crop', '24', '--batch', '2', '--steps', '2', '--tune', 'off'];
  await alexnet('train', '--data', 'my-images', '--run', 'runs/mine', ...training);
  const { data } = JSON.parse(await readFile(join(folder, 'runs/mine/config.json'), 'utf8'));
  await mkdir(join(folder, 'photos'));
  // Of the stored size, so that neither scales it.
  await paint('orange', data.width, data.height, join(folder, 'photos/cat.jpg'));
  const told = await alexnet('classify', 'photos/cat.jpg', '--run', 'runs/mine');
  const said = await run(await printing(folder, 'printing-classifier.js', 'classify.js'), {
    importMap: {},
    folders: { work: folder, runs: join(folder, 'runs'), photos: join(folder, 'photos') },
  });
  const lines = (all) => [...all.matchAll(/^\s*([\d.]+)%\s+(\w+)$/gm)].map(([, share, name]) => `${share}% ${name}`);
  assert.equal(said.length, 3);
  assert.deepEqual([...said].sort(), lines(told).sort());
  return said.join(', ');
}

/** An image without losses, whatever it is called. */
const paint = (background, width, height, file) =>
  sharp({ create: { width, height, channels: 3, background } })
    .png()
    .toBuffer()
    .then((bytes) => writeFile(file, bytes));
