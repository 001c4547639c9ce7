import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { prepareDataset } from '@alex/data';
import { alexnet, publishedForms } from '@alex/model-alexnet';
import type { HostTensor } from '@alex/tensor';
import { randomTensor } from '@alex/tensor/testing';
import { readSafetensors, writeSafetensors } from '@alex/trainer';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { firstSnippet, runSnippet } from '../../../readme.base.js';
import { temporaryFolder } from '../../../temporary.base.js';
import type { Block } from '../../model-alexnet/src/blueprint.js';
import { imagenet } from '../../model-alexnet/src/imagenet.js';
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

it('cifar-10.md has a program of 60 lines that trains and tests a network', async () => {
  const program = firstSnippet(await page('cifar-10.md'))!;
  expect(program.trimEnd().split('\n')).toHaveLength(60);
  const images = { source: 'emoji', classes: 10, size: 32, encoding: 'png' } as const;
  await prepareDataset({ ...images, to: join(directory, 'cifar-10-batches-bin'), workers: 1 });
  const source = fileURLToPath(new URL('.', import.meta.url));
  // A few images in place of 50,000, and one epoch.
  const short = program.replace('[100, 30]', '[8, 1]');
  expect(short).not.toBe(program);
  expect(await runSnippet(short, source, directory)).toMatch(/conv1[\s\S]*epoch 1 of 1: test error \d+\.\d%\n$/);
});

describe('bundle-a-program.md', () => {
  /** Runs Node on the sources, and gives what was printed. */
  async function node(script: string, cwd: string): Promise<string> {
    const onSources = ['--conditions=@alex/source', '--import', import.meta.resolve('tsx')];
    const child = spawn(process.execPath, [...onSources, script], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    const [said, problems, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    expect(code, problems).toBe(0);
    return said;
  }

  it('has a script that bundles its program, whose libraries it says to install', async () => {
    const guide = await page('bundle-a-program.md');
    // Below the package, where its libraries are found.
    const folder = await mkdtemp(fileURLToPath(new URL('.readme-', import.meta.url)));
    try {
      await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
      for (const [, file, code] of guide.matchAll(/^```(?:ts|js)\n\/\/ (\S+)\n([\s\S]*?)^```/gm)) {
        // The packages are not built here.
        await writeFile(
          join(folder, file!),
          code!.replace('bundle: true,', "bundle: true, conditions: ['@alex/source'],"),
        );
      }
      await node('bundle.js', folder);
      expect(await node(join(folder, 'bundle/measure.js'), directory)).toMatch(/^3 images, top-1 error \d+\.\d%\n$/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    const external = /external: \[(.*)\]/.exec(guide)![1]!.replaceAll(/[',]/g, '');
    expect(guide).toContain(`npm install ${external}\n`);
    expect(guide).toContain('node bundle.js\nnode bundle/measure.js\n');
  });
});

/**
 * Makes torchvision's network a sixteenth as wide while the tests around the call run: the guide's commands are those of any
 * width, and 57 million parameters take minutes to be written, read and compiled for, five commands long.
 */
function narrowTorchvision(): void {
  const blueprint: { blocks: readonly Block[] } = imagenet.torchvision;
  const { blocks } = blueprint;
  beforeAll(() => {
    blueprint.blocks = blocks.map((block) => ({
      ...block,
      width: block.width === 'classes' ? block.width : block.width / 16,
    }));
  });
  afterAll(() => {
    blueprint.blocks = blocks;
  });
}

/** Weights as torchvision names them; small values that are no zeros. */
async function writeTorchvision(file: string): Promise<void> {
  const names: Readonly<Record<string, string>> = publishedForms.torchvision.layers;
  const tensors: Record<string, HostTensor> = {};
  for (const { layer, parameters } of alexnet({ variant: 'torchvision' }).layers) {
    for (const { name, shape } of parameters) {
      tensors[`${names[layer.name]}.${name}`] = randomTensor(shape, Object.keys(tensors).length, 0.01);
    }
  }
  await writeSafetensors(file, tensors);
}

describe('fine-tune-your-images.md', () => {
  narrowTorchvision();

  it('has commands that work', async () => {
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
    for (const old of ['runs', 'my-images']) await rm(join(directory, old), { recursive: true });
    await writeImages(join(directory, 'my-images'), ['blue', 'green', 'red'], 3);
    await writeTorchvision(join(directory, 'alexnet.safetensors'));
    await cp(join(directory, 'cat.jpg'), join(directory, 'photo.jpg'));
    let said = '';
    for (const command of commands) {
      // One step instead of ten passes over many images; everything else as it stands there.
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
    expect(mine!['fc8.weight']!.shape).toEqual([3, 256]);
  });
});
