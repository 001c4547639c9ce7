import { readFile } from 'node:fs/promises';

/** Byte order marks, and the encodings that they stand for. UTF-8 is what a file without one has. */
const marks = [
  { bytes: Buffer.of(0xff, 0xfe), encoding: 'utf-16le' },
  { bytes: Buffer.of(0xfe, 0xff), encoding: 'utf-16be' },
] as const;

/**
 * Reads a text that a person wrote, with whatever editor: UTF-8 or UTF-16 with a byte order mark, as Windows' PowerShell
 * and Notepad write them, or UTF-8 without. Lines end in `\n`.
 *
 * @throws the system's error where the file cannot be read
 */
export async function readTextFile(path: string): Promise<string> {
  const bytes = await readFile(path);
  const mark = marks.find((one) => bytes.subarray(0, one.bytes.length).equals(one.bytes));
  // The decoder takes the mark itself away.
  return new TextDecoder(mark?.encoding ?? 'utf-8').decode(bytes).replaceAll('\r\n', '\n');
}
