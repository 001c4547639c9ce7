import { access, cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sourceKinds } from '@alex/data';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { runCommand, startCommand, untilMeasured } from './testing/command.js';
import { writeImages } from './testing/images.js';
import { writeConstantRecipe } from './testing/recipe.js';

const directory = temporaryFolder();
let images: string;
let prepared: string;

beforeAll(async () => {
  images = join(directory, 'images');
  await writeImages(images, ['blue', 'green', 'red']);
  prepared = join(directory, 'prepared');
});

const preparation = (to: string, ...more: string[]) => [
  ...['prepare', '--source', 'folder', '--from', images, '--to', to, '--size', '28'],
  ...more,
];

it('has help', async () => {
  const { code, stdout, stderr } = await runCommand(['prepare', '--help']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  for (const word of ['--source', '--from', '--to', '--size', '--max-rejected', '--format', '--workers', '--json'])
    expect(stdout).toContain(word);
  for (const source of sourceKinds) expect(stdout).toContain(source);
});

describe('images', () => {
  it('are prepared, with output for programs and for people', async () => {
    const { code, stdout, stderr } = await runCommand(preparation(prepared, '--json'));
    expect(code).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({
      directory: prepared,
      name: 'images',
      alreadyThere: false,
      classes: 3,
      train: 21,
      validation: 3,
      rejected: 0,
      size: 28,
    });
    expect(result.standardDeviations).toHaveLength(3);
    expect(stderr).toContain('images: 21 training and 3 validation images, of 3 classes, ');
    expect(stderr).toContain(`train --data ${prepared} --run runs/mine`);
    expect(await readdir(prepared)).toContain('dataset.json');

    const again = await runCommand(preparation(prepared));
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(again.stdout).toContain('The data set already exists, and all of its files match their checksums.');
  });

  it('are recognized by their contents if no kind is given', async () => {
    const to = join(directory, 'to-unsaid');
    const { code, stderr } = await runCommand(['prepare', '--from', images, '--to', to, '--size', '28']);
    expect(stderr).toContain(`${images} is read as data of the kind folder.`);
    expect(code).toBe(0);
    expect(await readFile(join(to, 'train.index'))).toEqual(await readFile(join(prepared, 'train.index')));
  });

  it('that were skipped are reported', async () => {
    const from = join(directory, 'with-more');
    await cp(images, join(from, 'train'), { recursive: true });
    await cp(images, join(from, 'test'), { recursive: true });
    await writeFile(join(from, 'train', 'red', 'red.bmp'), 'BM');
    const { code, stderr } = await runCommand(preparation(join(directory, 'to-more'), '--from', from));
    expect(code).toBe(0);
    expect(stderr).toContain('There is no val/: the images of test/ are used for validation.\n');
    expect(stderr).toContain('1 file with another extension is skipped: train/red/red.bmp: ');
  });

  it('that cannot be used are counted, and too many are a failure', async () => {
    const from = join(directory, 'with-broken');
    await cp(images, from, { recursive: true });
    await writeFile(join(from, 'red', 'broken.png'), 'no image');
    const to = join(directory, 'to-broken');
    const refused = await runCommand(preparation(to, '--from', from));
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      /^error: 1 of 25 images cannot be used, more than 0\.1%; for example red\/broken\.png \(it is text\)\. .*rejected\.jsonl lists them: .* --max-rejected 4%\n$/m,
    );
    const allowed = await runCommand(preparation(to, '--from', from, '--max-rejected', '4%'));
    expect(allowed.code).toBe(0);
    expect(allowed.stdout).toContain(`1 could not be used: ${to}/rejected.jsonl says why.`);
  });
});

describe.skipIf(process.platform === 'win32')('training on prepared images', () => {
  it('that was stopped resumes to the same weights', async () => {
    expect((await runCommand(preparation(prepared))).code).toBe(0);
    const [whole, stopped] = [join(directory, 'whole'), join(directory, 'stopped')];
    const recipe = await writeConstantRecipe(directory);
    const training = (run: string, steps: number) => [
      ...['train', '--data', prepared, '--recipe', recipe, '--crop', '24', '--batch', '1'],
      ...['--steps', `${steps}`, '--run', run],
    ];
    const running = startCommand(training(stopped, 1_000_000));
    await untilMeasured(running, stopped);
    running.process.kill('SIGINT');
    expect((await running.ended).code).toBe(130);
    const [checkpoint] = await readdir(join(stopped, 'checkpoints'));
    // Past the end of an epoch of 21 steps.
    const end = Number(/step-(\d+)/.exec(checkpoint!)![1]) + 22;
    const resumed = await runCommand(['train', '--run', stopped, '--resume', '--steps', `${end}`]);
    expect(resumed.code).toBe(0);
    expect((await runCommand(training(whole, end))).code).toBe(0);
    const weights = (run: string) => readFile(join(run, 'weights.safetensors'));
    expect((await weights(stopped)).equals(await weights(whole))).toBe(true);
    const { images } = JSON.parse(await readFile(join(whole, 'config.json'), 'utf8'));
    // The mean image of three channels that is subtracted: float32 in base64.
    expect(Buffer.from(images.meanImage, 'base64')).toHaveLength(4 * 3 * 28 * 28);
  });
});

describe('wrong use', () => {
  it.each<[string, string[], RegExp]>([
    [
      'nothing to prepare',
      ['prepare', '--to', 'never-made'],
      /source and from are missing: give the location of the data/,
    ],
    [
      'an unknown source',
      ['prepare', '--source', 'films', '--to', 'never-made'],
      /--source.*Allowed choices are imagenet/,
    ],
    ['no images', ['prepare', '--source', 'folder', '--to', 'never-made'], /from is missing/],
    [
      'a share without its sign',
      ['prepare', '--source', 'emoji', '--to', 'never-made', '--max-rejected', '0.1'],
      /--max-rejected.*percentage such as 0\.1%/,
    ],
    [
      'classes of a folder',
      ['prepare', '--source', 'folder', '--from', '.', '--to', 'never-made', '--classes', '3'],
      /classes is 3, but folder has its own classes/,
    ],
  ])('%s', async (_, args, says) => {
    const { code, stderr } = await runCommand(args, { directory });
    expect(stderr).toMatch(/^error: .*\n$/);
    expect(stderr).toMatch(says);
    expect(code).toBe(2);
    await expect(access(join(directory, 'never-made'))).rejects.toThrow(/ENOENT/);
  });

  it('missing images are a failure', async () => {
    const { code, stderr } = await runCommand(preparation('never-made', '--from', 'gone'), { directory });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: there is no folder gone: check the path\n$/);
  });

  it('a target with other content is left unchanged', async () => {
    const { code, stderr } = await runCommand(preparation(images));
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: .*images contains blue and is not an unfinished preparation/);
  });
});
