/** A kind of file that was mistaken for something else: how it begins, what it is called, and what to do about it. */
export interface ContentKind {
  /** Follows `it is`. */
  readonly is: string;
  /** What to do, if that does not depend on what was expected. */
  readonly remedy?: string;
}

interface Known extends ContentKind {
  /** Matches its first bytes as hexadecimal digits. */
  readonly digits?: RegExp;
  /** Matches its first bytes as latin1. */
  readonly text?: RegExp;
}

/** The number of bytes that is enough to recognize them. */
export const headBytes = 512;

const getAgain = 'the address asks for a login or an agreement: open it in a browser and download the file itself';
export const tarArchive = 'a tar archive';
export const zipArchive = 'a zip archive';
export const gzipped = 'compressed by gzip';
const convert = 'convert it to JPEG or PNG';

/** Kinds of files that users have in place of images, archives and lists, the specific ones before the general. */
const kinds: readonly Known[] = [
  {
    text: /^version https:\/\/git-lfs\.github\.com/,
    is: 'a Git LFS pointer, not the file itself',
    remedy: 'run git lfs pull in the cloned repository',
  },
  { text: /^\s*(<!doctype html|<html|<head)/i, is: 'a web page', remedy: getAgain },
  { text: /^\s*(<\?xml[\s\S]*?)?<svg/i, is: 'an SVG drawing', remedy: convert },
  { text: /^\s*<\?xml/i, is: 'XML' },
  { text: /^[\s\S]{4}ftyp(heic|heix|hevc|heim|heis|mif2)/, is: 'HEIC', remedy: convert },
  { text: /^[\s\S]{4}ftyp/, is: 'a video' },
  { digits: /^424d.{8}00000000/, is: 'BMP', remedy: convert },
  { digits: /^(ff0a|0000000c4a584c20)/, is: 'JPEG XL', remedy: convert },
  { digits: /^(0000000c6a502020|ff4fff51)/, is: 'JPEG 2000', remedy: convert },
  { text: /^8BPS/, is: 'a Photoshop file', remedy: convert },
  { text: /^%PDF/, is: 'a PDF' },
  { digits: /^1f8b/, is: gzipped, remedy: 'unpack it with gunzip' },
  { text: /^BZh/, is: 'compressed by bzip2', remedy: 'unpack it with bunzip2' },
  { digits: /^fd377a585a/, is: 'compressed by xz', remedy: 'unpack it with unxz' },
  { digits: /^28b52ffd/, is: 'compressed by zstd', remedy: 'unpack it with unzstd' },
  { digits: /^377abcaf/, is: 'a 7z archive', remedy: 'unpack it' },
  { text: /^Rar!/, is: 'a RAR archive', remedy: 'unpack it' },
  { digits: /^504b0304/, is: zipArchive, remedy: 'unpack it' },
  { digits: /^504b0506/, is: 'an empty zip archive' },
  { text: /^[\s\S]{257}ustar/, is: tarArchive, remedy: 'unpack it' },
  { text: /^PAR1/, is: 'a Parquet file' },
  { digits: /^89484446/, is: 'an HDF5 file' },
  { digits: /^934e554d5059/, is: 'a NumPy array' },
  { digits: /^800[2-5]/, is: 'a Python pickle' },
  { digits: /^(ffd8ff|89504e47|47494638|52494646.{8}57454250)/, is: 'an image' },
  { text: /^(\u00ef\u00bb\u00bf)?[\t\n\r -~\u0080-\u00ff]{2,}$/, is: 'text' },
];

/** The kind of a file by its first bytes, if known. */
export function contentKindOf(head: Buffer): ContentKind | undefined {
  const [digits, text] = [head.toString('hex', 0, headBytes), head.toString('latin1', 0, headBytes)];
  return kinds.find((kind) => kind.digits?.test(digits) || kind.text?.test(text));
}

/**
 * What was found in place of something else, and what to do: `it is a web page; open it in a browser`.
 *
 * @param otherwise the text for unknown contents
 * @param remedy what to do if there is no specific remedy
 */
export function inWords(head: Buffer, otherwise: string, remedy?: string): string {
  const kind = contentKindOf(head);
  const todo = kind?.remedy ?? remedy;
  return `${foundIn(head, kind) ?? otherwise}${todo === undefined ? '' : `; ${todo}`}`;
}

function foundIn(head: Buffer, kind: ContentKind | undefined): string | undefined {
  if (head.length === 0) return 'the file is empty';
  if (head.every((byte) => byte === 0)) return 'it begins with zeros only, so it was not completely written';
  return kind && `it is ${kind.is}`;
}
