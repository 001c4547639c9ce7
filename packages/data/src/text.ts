/** Byte order marks, and the encodings that they stand for. UTF-8 is what a text without one has. */
const marks = [
  { bytes: [0xff, 0xfe], encoding: 'utf-16le' },
  { bytes: [0xfe, 0xff], encoding: 'utf-16be' },
] as const;

/**
 * The text that a person wrote, with whatever editor: UTF-8 or UTF-16 with a byte order mark, as Windows' PowerShell and
 * Notepad write them, or UTF-8 without. Lines end in `\n`.
 */
export function textOf(content: Uint8Array): string {
  const mark = marks.find(({ bytes }) => bytes.every((byte, i) => content[i] === byte));
  // The decoder takes the mark itself away.
  return new TextDecoder(mark?.encoding ?? 'utf-8').decode(content).replaceAll('\r\n', '\n');
}
