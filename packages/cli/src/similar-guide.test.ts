import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { firstSnippet, runSnippet } from '../../../readme.base.js';
import { temporaryFolder } from '../../../temporary.base.js';
import { runCommand } from './testing/command.js';
import { writeImages } from './testing/images.js';
import { readNpy } from './testing/npy.js';

const directory = temporaryFolder();
const page = (name: string) => readFile(new URL(`../../../docs/${name}`, import.meta.url), 'utf8');

beforeAll(async () => {
  await writeImages(join(directory, 'my-images'), ['blue', 'green', 'red'], 5);
  const sizes = ['--model', 'small', '--crop', '24', '--batch', '4', '--steps', '2', '--tune', 'off'];
  const trained = await runCommand(['train', '--data', 'my-images', '--run', 'runs/mine', ...sizes], { directory });
  expect(trained.code, trained.stderr).toBe(0);
  for (const [from, to] of [
    ['blue/1.png', 'cat.jpg'],
    ['red/2.png', 'dog.jpg'],
  ]) {
    await rename(join(directory, 'my-images', from!), join(directory, to!));
  }
});

it('features.md has commands that work, and similar-images.md gives the same results for the same image', async () => {
  const blocks = [...(await page('features.md')).matchAll(/^```sh\n([\s\S]*?)^```/gm)];
  const lines = blocks.flatMap(([, block]) => block!.trim().split('\n'));
  const commands = lines.flatMap((line) => /^npm run alexnet -- ([^#]*)/.exec(line)?.[1]?.trim() ?? []);
  expect(commands.map((command) => command.split(' ')[0])).toEqual([
    'filters',
    'similar',
    'similar',
    'features',
    'features',
  ]);
  let said = '';
  for (const command of commands) {
    // The small network has no layer fc7.
    const words = command.replaceAll('fc7', 'fc5').split(' ');
    const { code, stdout, stderr } = await runCommand(words, { directory });
    expect(code, `${command}\n${stderr}`).toBe(0);
    said += stdout;
  }
  expect((await readNpy(join(directory, 'fc5.npy'))).shape).toEqual([2, 256]);
  const program = firstSnippet(await page('guides/similar-images.md'))!;
  const source = fileURLToPath(new URL('.', import.meta.url));
  const printed = await runSnippet(program, source, directory);
  const nearest = (text: string) => [...text.matchAll(/^ *([\d.e+-]+) {2}(\w+\/\d\.png)/gm)].map(([, , name]) => name);
  expect(nearest(printed)).toHaveLength(6);
  expect(nearest(printed)).toEqual(nearest(said));
});
