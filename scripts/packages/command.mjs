// The command as users get it by installing @alex/cli in their own folder.
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { npm, run as start } from './commands.mjs';
import { install } from './consumer.mjs';

/** Installs the command and, with each of these Nodes, lists adapters, trains on emoji, classifies and evaluates. */
export async function checkCommand(folder, nodes) {
  await install(folder, ['@alex/cli']);
  const installed = JSON.parse(await readFile(join(folder, 'node_modules/@alex/cli/package.json'), 'utf8'));
  const version = (await npm(['exec', '--', 'alexnet', '--version'], { cwd: folder })).trim();
  expect(version === installed.version, `npx alexnet --version prints ${version}`);
  const script = join(folder, 'node_modules/@alex/cli', installed.bin.alexnet);
  const image = join(folder, 'ein Bild.png');
  await sharp({ create: { width: 64, height: 64, channels: 3, background: 'tomato' } }).toFile(image);
  const env = { ALEX_CACHE: join(folder, 'a cache') };
  for (const [index, { node }] of nodes.entries()) {
    const alexnet = (...args) => start(node, [script, ...args], { cwd: folder, env });
    const devices = JSON.parse(await alexnet('devices', '--json'));
    expect(devices.length > 0 || devices.adapters?.length > 0, 'devices --json lists no adapter');
    const run = join('läufe', String(index));
    const training = ['--model', 'small', '--data', 'emoji', '--steps', '2', '--batch', '8', '--json'];
    JSON.parse(await alexnet('train', ...training, '--run', run));
    await access(join(folder, run, 'weights.safetensors'));
    const [guesses] = [JSON.parse(await alexnet('classify', '--run', run, image, '--json'))].flat();
    expect(JSON.stringify(guesses).includes('probability'), 'classify --json gives no probabilities');
  }
}

function expect(right, otherwise) {
  if (!right) throw new Error(otherwise);
}
