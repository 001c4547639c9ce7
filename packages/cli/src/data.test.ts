import { access, cp, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { runCommand } from './testing/command.js';
import { png, writeImages } from './testing/images.js';

const directory = temporaryFolder();
const sizes = ['--model', 'small', '--crop', '24', '--batch', '4', '--tune', 'off'];

describe('images that cannot be used', () => {
  const images = join(directory, 'broken');
  const run = join(directory, 'past-broken');
  const training = ['train', '--data', images, '--run', run, '--steps', '1', ...sizes];

  beforeAll(async () => {
    await writeImages(images, ['blue', 'red']);
    await writeFile(join(images, 'red', '3.png'), png(200, 0, 0, 256).subarray(0, 60));
    await writeFile(join(images, 'blue', 'empty.png'), '');
    await symlink(join(directory, 'nowhere'), join(images, 'blue', 'link.png'));
  });

  it('are found before the first step, all at once, and no run is created', async () => {
    const { code, stdout, stderr } = await runCommand(training);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^error: 3 of 18 images cannot be used, more than 0\.1%; .* --max-rejected 16\.67%\n$/);
    await expect(access(run)).rejects.toThrow(/ENOENT/);
  });

  it('are skipped in a training run that allows them, when it is resumed, and in an evaluation', async () => {
    const said = /^3 of 18 images cannot be used and are skipped, for example .* lists them\.$/m;
    const trained = await runCommand([...training, '--max-rejected', '20%']);
    expect(trained.code, trained.stderr).toBe(0);
    expect(trained.stdout).toMatch(said);
    const { data } = JSON.parse(await readFile(join(run, 'config.json'), 'utf8'));
    expect(data.maxRejected).toBe(0.2);
    expect(data.fingerprint.train.images + data.fingerprint.validation.images).toBe(15);
    const resume = ['train', '--run', run, '--resume', '--steps', '2', '--tune', 'off'];
    const resumed = await runCommand(resume);
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(resumed.stdout).toMatch(said);
    const evaluated = await runCommand(['evaluate', '--run', run]);
    expect(evaluated.code, evaluated.stderr).toBe(0);
    const fewer = await runCommand([...resume, '--max-rejected', '10%']);
    expect(fewer).toMatchObject({ code: 1, stderr: expect.stringContaining('more than 10%') });
    // One that was repaired is one more.
    await writeFile(join(images, 'blue', 'empty.png'), png(0, 0, 200));
    expect(await runCommand(resume)).toMatchObject({ code: 2, stderr: expect.stringMatching(/1\d? instead of 1?\d /) });
  });

  it('do not exist in data without image files', async () => {
    const emoji = ['train', '--data', 'emoji', '--run', join(directory, 'never'), '--max-rejected', '1%', ...sizes];
    const { code, stderr } = await runCommand(emoji);
    expect(code).toBe(2);
    expect(stderr).toContain('emoji has no image files that could be unusable: omit the option');
  });
});

it('reports skipped files of a folder, once for several runs', async () => {
  const images = join(directory, 'images');
  await writeImages(images, ['blue', 'red']);
  await writeFile(join(images, 'red', 'more.bmp'), 'BM');
  const remark = /^1 file with another extension is skipped: red\/more\.bmp: images must be JPEG, .*\.$/gm;
  const [run, other] = [join(directory, 'run'), join(directory, 'other')];
  const trained = await runCommand(['train', '--data', images, '--run', run, '--steps', '1', ...sizes]);
  expect(trained).toMatchObject({ code: 0, stdout: expect.stringMatching(remark) });
  await cp(run, other, { recursive: true });
  const evaluated = await runCommand(['evaluate', '--run', `${run},${other}`, '--data', images]);
  expect(evaluated.code).toBe(0);
  expect(evaluated.stdout.match(remark)).toHaveLength(1);

  // Of runs with data of their own, the images must be the same.
  const own = join(directory, 'own');
  await cp(images, own, { recursive: true });
  const config = await readFile(join(other, 'config.json'), 'utf8');
  await writeFile(join(other, 'config.json'), config.replace(JSON.stringify(images), JSON.stringify(own)));
  const alike = await runCommand(['evaluate', '--run', `${run},${other}`]);
  expect(alike.code, alike.stderr).toBe(0);
  await writeImages(own, ['red', 'blue']);
  const changed = await runCommand(['evaluate', '--run', other]);
  expect(changed.stdout).toContain(
    'the data have changed since it was trained: validation images with the same names and',
  );
  const mixed = await runCommand(['evaluate', '--run', `${run},${other}`]);
  expect(mixed).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/other: its validation images, of .*own, are not those/),
  });
});
