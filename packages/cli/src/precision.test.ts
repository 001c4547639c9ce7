import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openGpu } from '@alex/tensor';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { runCommand } from './testing/command.js';
import { writeImages } from './testing/images.js';

const directory = temporaryFolder();
let images: string;

beforeAll(async () => {
  images = join(directory, 'images');
  await writeImages(images, ['blue', 'green', 'red']);
});

/** Of the adapter that the commands use too. At the top level, because tests are skipped before any hook runs. */
const hasHalves = await (async () => {
  const adapter = process.env['ALEX_ADAPTER'];
  const gpu = await openGpu(adapter ? { adapter } : {});
  gpu.dispose();
  return gpu.features.has('shader-f16');
})();

const training = (run: string, steps: number, ...more: string[]) =>
  runCommand(
    ['train', '--data', images, '--model', 'small', '--crop', '24', '--batch', '4', '--tune', 'off'].concat(
      ['--steps', `${steps}`, '--run', run],
      more,
    ),
  );

it.skipIf(hasHalves)(
  'mixed is refused in one line if the adapter lacks shader-f16, and no run is started',
  async () => {
    const run = join(directory, 'refused');
    const { code, stderr } = await training(run, 1, '--precision', 'mixed');
    expect(code).toBe(2);
    expect(stderr).toMatch(/mixed precision needs .* shader-f16/);
    await expect(access(run)).rejects.toThrow(/ENOENT/);
  },
);

describe.skipIf(!hasHalves)('--precision mixed (needs the feature shader-f16)', () => {
  it('is stored in the run, resumes, and is evaluated in float32', async () => {
    const parts = join(directory, 'parts');
    expect((await training(parts, 3, '--precision', 'mixed')).code).toBe(0);
    const config = JSON.parse(await readFile(join(parts, 'config.json'), 'utf8'));
    expect(config.recipe.precision).toBe('mixed');

    const other = await training(parts, 6, '--resume', '--precision', 'float32');
    expect(other.code).toBe(2);
    expect(other.stderr).toMatch(/--precision float32 cannot be changed .* started with mixed/);

    expect((await training(parts, 6, '--resume')).code).toBe(0);
    expect((await runCommand(['evaluate', '--run', parts])).code).toBe(0);
  });
});
