import { cp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { alexnet, publishedForms } from '@alex/model-alexnet';
import type { HostTensor } from '@alex/tensor';
import { elementCount, threefry2x32 } from '@alex/tensor/kernels';
import { readSafetensors, writeSafetensors } from '@alex/trainer';
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

it('use-a-trained-network.md shows what the command prints for the same image', async () => {
  const program = firstSnippet(await page('use-a-trained-network.md'))!;
  const source = fileURLToPath(new URL('.', import.meta.url));
  const said = await runSnippet(program, source, directory);
  const { stdout } = await runCommand(['classify', 'cat.jpg', '--run', 'runs/mine'], { directory });
  const lines = (text: string) =>
    [...text.matchAll(/^\s*([\d.]+)%\s+(\w+)$/gm)].map(([, share, name]) => [share, name]);
  expect(lines(said)).toHaveLength(3);
  expect(lines(said)).toEqual(lines(stdout));
});

/** Full-size weights under torchvision's names, with small values other than zero. */
async function writeTorchvision(file: string): Promise<void> {
  const names: Readonly<Record<string, string>> = publishedForms.torchvision.layers;
  const tensors: Record<string, HostTensor> = {};
  for (const { layer, parameters } of alexnet({ variant: 'torchvision' }).layers) {
    for (const { name, shape } of parameters) {
      const data = new Float32Array(elementCount(shape));
      // A few random numbers, repeated: 61 million would take a minute.
      const some = Float32Array.from({ length: 4099 }, (_, i) => (threefry2x32(1, 2, i, 3)[0] / 2 ** 32 - 0.5) * 0.02);
      for (let at = 0; at < data.length; at += some.length) data.set(some.subarray(0, data.length - at), at);
      tensors[`${names[layer.name]}.${name}`] = { shape: [...shape], data };
    }
  }
  await writeSafetensors(file, tensors);
}

it('the commands of fine-tune-your-images.md work', async () => {
  const blocks = [...(await page('fine-tune-your-images.md')).matchAll(/^```sh\n([\s\S]*?)^```/gm)];
  const lines = blocks.flatMap(([, block]) => block!.trim().split('\n'));
  const commands = lines.flatMap((line) => /^npm run alexnet -- (.*)$/.exec(line)?.[1] ?? []);
  expect(commands.map((command) => command.split(' ')[0])).toEqual([
    'train',
    'train',
    'evaluate',
    'report',
    'classify',
  ]);
  // The network has its full size, so there are only a few images.
  for (const old of ['runs', 'my-images']) await rm(join(directory, old), { recursive: true });
  await writeImages(join(directory, 'my-images'), ['blue', 'green', 'red'], 3);
  await writeTorchvision(join(directory, 'alexnet.safetensors'));
  await cp(join(directory, 'cat.jpg'), join(directory, 'photo.jpg'));
  let said = '';
  for (const command of commands) {
    // One step instead of ten epochs over many images; everything else as in the guide.
    const words = command.replace(/--epochs \d+/, '--epochs 1').split(' ');
    const { code, stdout, stderr } = await runCommand(words, { directory });
    expect(code, `${command}\n${stderr}`).toBe(0);
    said += stdout;
  }
  expect(said).toMatch(/photo\.jpg\n +[\d.]+% {2}(blue|green|red)\n/);
  const [published, head, mine] = await Promise.all(
    ['alexnet.safetensors', 'runs/head/weights.safetensors', 'runs/mine/weights.safetensors'].map(
      async (file) => (await readSafetensors(join(directory, file))).tensors,
    ),
  );
  expect(head!['conv2.weight']!.data).toEqual(published!['features.3.weight']!.data);
  expect(head!['fc6.bias']!.data).not.toEqual(published!['classifier.1.bias']!.data);
  expect(mine!['conv2.weight']!.data).not.toEqual(head!['conv2.weight']!.data);
  expect(mine!['fc8.weight']!.shape).toEqual([3, 4096]);
});
