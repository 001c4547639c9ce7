import { expect, it } from 'vitest';
import { textOf } from './text.js';

const text = '{"a": "Ä"}\r\nzweite\r\n';
const utf16 = Buffer.from(`\ufeff${text}`, 'utf16le');

it.each([
  ['UTF-8', Buffer.from(text)],
  ['UTF-8 with a byte order mark', Buffer.from(`\ufeff${text}`)],
  ['UTF-16, low bytes first', utf16],
  ['UTF-16, high bytes first', Buffer.from(utf16).swap16()],
])('reads %s, with any line endings', (_, bytes) => {
  expect(textOf(bytes)).toBe('{"a": "Ä"}\nzweite\n');
});

it.each([[[]], [[0xff]], [[0x61]]])('reads a short text, %j', (bytes) => {
  expect(textOf(Uint8Array.from(bytes))).toBe(Buffer.from(bytes).toString('utf8'));
});
