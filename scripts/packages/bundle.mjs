// The guide's bundle of a program, of the packages as users install them.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { npm, run } from './commands.mjs';
import { install } from './consumer.mjs';

const guide = new URL('../../docs/guides/bundle-a-program.md', import.meta.url);

/** Trains a network on some images, bundles the guide's program with its script and, with each of these Nodes, runs it. */
export async function checkBundle(folder, nodes) {
  const text = await readFile(guide, 'utf8');
  for (const [, file, code] of text.matchAll(/^```(?:ts|js)\n\/\/ (\S+)\n([\s\S]*?)^```/gm)) {
    await writeFile(join(folder, file), code);
  }
  const external = /^npm install (webgpu .*)$/m.exec(text)[1].split(' ');
  await install(folder, [
    '@alex/cli',
    '@alex/data',
    '@alex/model-alexnet',
    '@alex/tensor',
    '@alex/trainer',
    ...external,
  ]);
  await install(folder, ['--save-dev', 'esbuild']);
  for (const colour of ['blue', 'green', 'red']) {
    const images = join(folder, 'my-images', colour);
    await mkdir(images, { recursive: true });
    for (const name of ['1.png', '2.png']) {
      await sharp({ create: { width: 40, height: 30, channels: 3, background: colour } }).toFile(join(images, name));
    }
  }
  const training = ['--data', 'my-images', '--model', 'small', '--crop', '24', '--batch', '2', '--steps', '1'];
  await npm(['exec', '--', 'alexnet', 'train', ...training, '--run', 'runs/mine', '--tune', 'off'], { cwd: folder });
  for (const { node } of nodes) {
    await run(node, ['bundle.js'], { cwd: folder });
    const said = await run(node, ['bundle/measure.js'], { cwd: folder });
    if (!/^3 images, top-1 error \d/.test(said)) throw new Error(`bundle/measure.js printed ${said}`);
  }
}
