import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readClassNames } from './class-names.js';
import { temporaryFolder } from './testing.js';

async function named(folders: string[], content: string | Buffer, file = 'classes.txt') {
  const directory = await temporaryFolder();
  await writeFile(join(directory, file), content);
  return readClassNames(directory, folders);
}

test('folders keep their own names, with commas, leading spaces and dashes', async () => {
  const folders = [' a', '-x', 'Paris, France', 'o’brien', 'b '];
  expect(await readClassNames(await temporaryFolder(), folders)).toEqual({ names: folders, remarks: [] });
});

test('of a WordNet id the first name is used, of another class the whole name', async () => {
  const { names } = await named(['n01440764', 'paris'], 'n01440764 tench, Tinca tinca\nparis Paris, France\n');
  expect(names).toEqual(['tench', 'Paris, France']);
});

test('ids may have spaces within them, and a tab may follow them', async () => {
  const { names } = await named(['hot', 'hot dog'], 'hot dog a sausage in a bun\nhot\twarm\n');
  expect(names).toEqual(['warm', 'a sausage in a bun']);
});

test.each<[string, Buffer]>([
  ['a byte order mark and Windows line endings', Buffer.from('\uFEFFa Apple\r\nb Banana\r\n')],
  ['UTF-16, as PowerShell writes it', Buffer.from('\uFEFFa Apple\r\nb Banana\r\n', 'utf16le')],
  ['no last line end', Buffer.from('a Apple\nb Banana')],
])('a list with %s', async (_, content) => {
  expect(await named(['a', 'b'], content)).toEqual({ names: ['Apple', 'Banana'], remarks: [] });
});

test('composed and decomposed letters are the same', async () => {
  const { names } = await named(['café'.normalize('NFC')], 'café coffee house\n'.normalize('NFD'));
  expect(names).toEqual(['coffee house']);
});

test('a list that names no folder is reported', async () => {
  const { names, remarks } = await named(['a', 'b'], 'Apple\nBanana\n');
  expect(names).toEqual(['a', 'b']);
  expect(remarks).toEqual([expect.stringMatching(/^classes\.txt has none of the class folders/)]);
});
