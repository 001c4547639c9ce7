/** Byte order marks, and their encodings. Text without one is UTF-8. */
const marks = [
  { bytes: [0xff, 0xfe], encoding: 'utf-16le' },
  { bytes: [0xfe, 0xff], encoding: 'utf-16be' },
] as const;

/**
 * The text of a file from any editor: UTF-8 or UTF-16 with a byte order mark, as Windows' PowerShell and Notepad write
 * them, or UTF-8 without. Lines end in `\n`.
 */
export function textOf(content: Uint8Array): string {
  const mark = marks.find(({ bytes }) => bytes.every((byte, i) => content[i] === byte));
  // The decoder removes the mark itself.
  return new TextDecoder(mark?.encoding ?? 'utf-8').decode(content).replaceAll('\r\n', '\n');
}
