import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import type {} from '../../bundle.base.js';
import { smallImagenet, writeFiles } from '../../packages/data/src/prepare/testing.js';
import { main } from './train.mjs';

const command = [process.execPath, fileURLToPath(`${inject('bundle')}/main.js`)];

let folder: string;
let downloads: string;
const said: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'alex-imagenet-'));
  downloads = join(folder, 'downloads');
  await writeFiles(downloads, await smallImagenet());
  vi.stubEnv('ALEX_CACHE', join(folder, 'cache'));
  vi.spyOn(console, 'log').mockImplementation((line) => said.push(String(line)));
  vi.spyOn(console, 'error').mockImplementation((line) => said.push(String(line)));
});
afterEach(() => said.splice(0));
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

describe('train.mjs', () => {
  it('trains from the archives to a report, and does nothing twice', async () => {
    const recipe = join(folder, 'recipe.json');
    const paper = JSON.parse(await readFile(new URL('recipes/one-gpu.json', import.meta.url), 'utf8'));
    await writeFile(recipe, JSON.stringify({ ...paper, model: { variant: 'small' }, batch: 4 }));
    const [to, run] = [join(folder, 'prepared'), join(folder, 'runs', 'paper')];
    await mkdir(join(folder, 'runs'));
    const args = ['--from', downloads, '--to', to, '--run', run, '--recipe', recipe, '--epochs', '1', '--tune', 'off'];

    expect(await main(args, command)).toBe(0);
    expect(said.map((line) => line.split(' ').slice(0, 3).join(' '))).toEqual(
      ['prepare', 'train', 'evaluate', 'report'].map((name) => `$ alexnet ${name}`),
    );
    expect(await readdir(run)).toEqual(expect.arrayContaining(['metrics.jsonl', 'report.html', 'weights.safetensors']));
    const { recipe: used } = JSON.parse(await readFile(join(run, 'config.json'), 'utf8'));
    expect(used).toMatchObject({ batch: 4, momentum: 0.9, weightDecay: 0.0005 });

    said.splice(0);
    expect(await main([...args, '--dry-run'], command)).toBe(0);
    expect(said.map((line) => line.startsWith('#'))).toEqual([true, true, false, false]);

    // A training run that was stopped early resumes.
    await rm(join(run, 'weights.safetensors'));
    said.splice(0);
    expect(await main([...args, '--dry-run'], command)).toBe(0);
    expect(said[1]).toMatch(/^\$ alexnet train --run .* --resume$/);
  });

  it('prints the commands that it would run, quoted, and runs nothing', async () => {
    expect(await main(['--dry-run', '--run', 'my runs/1'], ['/nowhere'])).toBe(0);
    expect(said[0]).toBe('$ alexnet prepare --source imagenet --from DOWNLOADS --to imagenet-256');
    expect(said[1]).toBe('$ alexnet devices --tune full --model paper --batch 128 --to "my runs/1-tunings.json"');
    expect(said[2]).toMatch(/one-gpu\.json/);
    said.splice(0);
    expect(await main(['--dry-run', '--adapters', '0,1'], ['/nowhere'])).toBe(0);
    expect(said.some((line) => /train .*--adapters 0,1 .*two-gpus\.json.* --strategy data/.test(line))).toBe(true);
  });

  it('names missing archives before it creates anything', async () => {
    expect(await main([], ['/nowhere'])).toBe(2);
    expect(said.splice(0)).toEqual([expect.stringContaining('--from is missing')]);
    expect(await main(['--from', join(folder, 'nowhere')], ['/nowhere'])).toBe(2);
    expect(said.splice(0)).toEqual([expect.stringContaining('there is no such folder')]);
    const part = join(folder, 'part');
    await writeFiles(part, { 'ILSVRC2012_img_val.tar': '' });
    expect(await main(['--from', part], ['/nowhere'])).toBe(2);
    const [line] = said;
    expect(line).toMatch(/lacks ILSVRC2012_img_train\.tar .*ILSVRC2012_devkit_t12\.tar\.gz .*image-net\.org/);
    expect(line).not.toContain('img_val');
    said.splice(0);
    expect(await main(['--form', part], ['/nowhere'])).toBe(2);
    expect(said[0]).toContain('--form');
  });

  it('ends with the exit code of the command that failed', async () => {
    const failing = [process.execPath, '--eval', 'process.exit(7)'];
    expect(await main(['--from', downloads, '--to', join(folder, 'never')], failing)).toBe(7);
    expect(said).toHaveLength(1);
  });
});
