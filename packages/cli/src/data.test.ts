import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { runCommand } from './testing/command.js';
import { writeImages } from './testing/images.js';

const directory = temporaryFolder();

it('reports what was left out of a folder, once for several runs', async () => {
  const images = join(directory, 'images');
  await writeImages(images, ['blue', 'red']);
  await writeFile(join(images, 'red', 'more.bmp'), 'BM');
  const remark = /^1 file with another extension is left out: red\/more\.bmp: images must be JPEG, .*\.$/gm;
  const [run, other] = [join(directory, 'run'), join(directory, 'other')];
  const sizes = ['--model', 'small', '--crop', '24', '--batch', '4', '--steps', '1', '--tune', 'off'];
  const trained = await runCommand(['train', '--data', images, '--run', run, ...sizes]);
  expect(trained).toMatchObject({ code: 0, stdout: expect.stringMatching(remark) });
  await cp(run, other, { recursive: true });
  const evaluated = await runCommand(['evaluate', '--run', `${run},${other}`, '--data', images]);
  expect(evaluated.code).toBe(0);
  expect(evaluated.stdout.match(remark)).toHaveLength(1);
});
