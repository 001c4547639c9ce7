import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AlexError } from '@alex/tensor';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { ActivationFile } from './activation-file.js';

const folder = temporaryFolder();

it('has a row and a line for each image, whatever it is called, and no file before all is there', async () => {
  const path = join(folder, 'some.npy');
  // Reserves space for a number of images with more digits than the actual one.
  const file = await ActivationFile.open(path, [2], { most: 1e15, labelled: true });
  await file.append({ data: Float32Array.of(1, -2) }, [{ name: 'a b.png', label: 'x' }]);
  await file.append({ data: Float32Array.of(0.5, 3e38, 0, 1) }, [
    { name: 'two\nlines\r.png', label: 'y' },
    { name: 'ä.png', label: 'x' },
  ]);
  expect((await readdir(folder)).every((name) => name.endsWith('.tmp'))).toBe(true);
  expect(file.shape).toEqual([3, 2]);
  await file.finish();
  await file.discard();
  expect(await readFile(join(folder, 'some.names.txt'), 'utf8')).toBe('a b.png\ntwo\\nlines\\r.png\nä.png\n');
  expect(await readFile(join(folder, 'some.labels.txt'), 'utf8')).toBe('x\ny\nx\n');
  const bytes = await readFile(path);
  expect(bytes.length).toBe(128 + 6 * 4);
  expect(bytes.toString('latin1', 10, 128)).toMatch(
    /^\{'descr': '<f4', 'fortran_order': False, 'shape': \(3, 2\), \} +\n$/,
  );
  expect([0, 1, 2, 3, 4, 5].map((i) => bytes.readFloatLE(128 + 4 * i))).toEqual([1, -2, 0.5, Math.fround(3e38), 0, 1]);
  expect((await readdir(folder)).sort()).toEqual(['some.labels.txt', 'some.names.txt', 'some.npy']);
});

it('leaves nothing if it is not finished, or cannot be written', async () => {
  const before = await readdir(folder);
  const file = await ActivationFile.open(join(folder, 'other.npy'), [2], { most: 5 });
  await file.append({ data: Float32Array.of(1, 2) }, [{ name: 'a' }]);
  await file.discard();
  const nowhere = ActivationFile.open(join(folder, 'no', 'such.npy'), [2], { most: 5 });
  await expect(nowhere).rejects.toThrow(AlexError);
  await expect(nowhere).rejects.toThrow(/no\/such\.npy: could not be written: there is no such file or directory/);
  expect(await readdir(folder)).toEqual(before);
});
