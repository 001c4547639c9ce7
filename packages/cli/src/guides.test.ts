import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { beforeAll, expect, it } from 'vitest';
import { firstSnippet, runSnippet } from '../../../readme.base.js';
import { temporaryFolder } from '../../../temporary.base.js';
import { runCommand } from './testing/command.js';
import { writeImages } from './testing/images.js';

const directory = temporaryFolder();
const page = (name: string) => readFile(new URL(`../../../docs/guides/${name}`, import.meta.url), 'utf8');

beforeAll(async () => {
  await writeImages(join(directory, 'my-images'), ['blue', 'green', 'red']);
  const trained = await runCommand(
    [
      ...['train', '--data', 'my-images', '--model', 'small', '--crop', '24', '--batch', '4', '--steps', '2'],
      ...['--run', 'runs/mine', '--tune', 'off'],
    ],
    { directory },
  );
  expect(trained.code, trained.stderr).toBe(0);
  await sharp({ create: { width: 60, height: 40, channels: 3, background: 'red' } })
    .jpeg()
    .toFile(join(directory, 'cat.jpg'));
});

it('use-a-trained-network.md says what the command says of the same image', async () => {
  const program = firstSnippet(await page('use-a-trained-network.md'))!;
  const source = fileURLToPath(new URL('.', import.meta.url));
  const said = await runSnippet(program, source, directory);
  const { stdout } = await runCommand(['classify', 'cat.jpg', '--run', 'runs/mine'], { directory });
  const lines = (text: string) =>
    [...text.matchAll(/^\s*([\d.]+)%\s+(\w+)$/gm)].map(([, share, name]) => [share, name]);
  expect(lines(said)).toHaveLength(3);
  expect(lines(said)).toEqual(lines(stdout));
});
