import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { readTextFile } from './text-file.js';

const directory = temporaryFolder();
const text = '{"a": "Ä"}\r\nzweite\r\n';
const utf16 = Buffer.from(`\ufeff${text}`, 'utf16le');

it.each([
  ['UTF-8', Buffer.from(text)],
  ['UTF-8 with a byte order mark', Buffer.from(`\ufeff${text}`)],
  ['UTF-16, low bytes first', utf16],
  ['UTF-16, high bytes first', Buffer.from(utf16).swap16()],
])('reads %s, whatever its line ends', async (name, bytes) => {
  const file = join(directory, name);
  await writeFile(file, bytes);
  expect(await readTextFile(file)).toBe('{"a": "Ä"}\nzweite\n');
});

it('reads an empty file', async () => {
  await writeFile(join(directory, 'empty'), '');
  expect(await readTextFile(join(directory, 'empty'))).toBe('');
});
