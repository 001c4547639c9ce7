import { isUtf8 } from 'node:buffer';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { DataError } from '@alex/tensor';
import { contentKindOf, inWords, tarArchive } from '../content-kind.js';
import { readError } from '../files.js';

/** Bytes with random access, such as an open file or a part of one. */
export interface Bytes {
  /** Their name in errors. */
  readonly name: string;
  readonly length: number;
  /** Fills `target` from `position` on; the caller never reads beyond the end. */
  read(target: Uint8Array, position: number): void;
}

/** A file within an archive, by its location: only these bytes have to be read. */
export interface TarMember {
  readonly name: string;
  readonly offset: number;
  readonly length: number;
}

const blockBytes = 512;
/** Larger than any valid name or extended header. */
const mostExtraBytes = 2 ** 20;

/**
 * The files of a tar archive (ustar, GNU or pax), in order, from their headers alone: the contents are not read. This
 * is why archives are not streamed here: a member of an archive of 138 GB can be read by its location.
 *
 * @param options.endOptional whether an archive may lack the empty blocks that end it, as some programs omit them: then it is
 * unknown whether more members should follow A hard link stands for the file that it names, if that comes before it.
 *
 * @throws DataError if the archive is truncated, is not a tar archive, or contains a name that leads out of it or another kind of
 * link.
 */
export function* tarMembers(
  bytes: Bytes,
  { endOptional = false }: { readonly endOptional?: boolean } = {},
): Generator<TarMember, void, undefined> {
  const header = new Uint8Array(blockBytes);
  let longName: string | undefined;
  let longLink: string | undefined;
  /** The files that a hard link may refer to. */
  const before = new Map<string, TarMember>();
  let extended: Readonly<Record<string, string>> = {};
  for (let at = 0; ; ) {
    if (endOptional && at > 0 && at >= bytes.length) return;
    if (at + blockBytes > bytes.length) {
      checkIsNothingElse(bytes);
      throw new DataError(`${bytes.name} is truncated at byte ${at}, without the end of a tar archive: get it again`);
    }
    bytes.read(header, at);
    if (isZero(header)) {
      checkEnd(bytes, at);
      return;
    }
    checkSum(bytes.name, header, at);
    const kind = String.fromCharCode(header[156]!);
    const describesNext = 'LKxg'.includes(kind);
    const size = !describesNext && extended['size'] !== undefined ? Number(extended['size']) : sizeOf(header);
    // For a folder, a symbolic link or a device, the archive does not contain as many bytes as the header says.
    const length = '23456'.includes(kind) ? 0 : size;
    const offset = at + blockBytes;
    const name = extended['path'] ?? longName ?? nameOf(header);
    const target = extended['linkpath'] ?? longLink ?? text(header.subarray(157, 257));
    if (!Number.isSafeInteger(length) || length < 0 || offset + length > bytes.length) {
      throw new DataError(
        `${bytes.name} is truncated: ${name} at byte ${at} should have ${length} bytes, ` +
          `${bytes.length - offset} are left: get it again`,
      );
    }
    at = offset + Math.ceil(length / blockBytes) * blockBytes;
    if (describesNext) {
      if (kind === 'g') continue;
      if (length > mostExtraBytes) throw new DataError(`${bytes.name} has a name of ${length} bytes: get it again`);
      const content = new Uint8Array(length);
      bytes.read(content, offset);
      if (kind === 'L') longName = text(content);
      else if (kind === 'K') longLink = text(content);
      else extended = paxRecords(content);
      continue;
    }
    longName = undefined;
    longLink = undefined;
    extended = {};
    // In archives from before POSIX, directories are files whose names end with a slash; GNU archives may contain lists of names
    // and labels.
    if ('5DV'.includes(kind) || name.endsWith('/')) continue;
    checkName(bytes.name, name);
    // A file with several names on disk is packed once.
    const same = kind === '1' ? before.get(target) : undefined;
    if (!same && !'0\x007'.includes(kind)) throw noFile(bytes.name, name, kind);
    const member = { name, offset: same?.offset ?? offset, length: same?.length ?? length };
    before.set(name, member);
    yield member;
  }
}

function noFile(archive: string, name: string, kind: string): DataError {
  const found = { '1': 'a link', '2': 'a link', S: 'a file with holes' }[kind] ?? 'a device or something unknown';
  return new DataError(
    `${archive}: ${name} is not a file but ${found}: get the archive again, or pack it with tar --dereference`,
  );
}

/** A name that leads out of its archive is never legitimate. */
function checkName(archive: string, name: string): void {
  if (name !== '' && !/^([/\\]|[a-z]:)/i.test(name) && !name.split(/[/\\]/).includes('..')) return;
  throw new DataError(`${archive} contains the name \`${name}\`, which points outside of it: do not use this archive`);
}

const isZero = (block: Uint8Array) => block.every((byte) => byte === 0);

/** Archives are padded with zeros to a multiple of 10 kB, on tapes even further. */
const mostFill = 2 ** 20;

/**
 * Nothing may follow the empty blocks that end an archive. If something does, the archive is still being downloaded, or was
 * joined to another one.
 */
function checkEnd(bytes: Bytes, at: number): void {
  const left = bytes.length - at;
  const rest = new Uint8Array(Math.min(left, mostFill));
  bytes.read(rest, at);
  if (left <= mostFill && isZero(rest)) return;
  throw new DataError(
    `${bytes.name} ends at byte ${at}, but ${left.toLocaleString('en-US')} bytes follow: it was not completely written, or archives were joined; get it again`,
  );
}

/** Pointers and pages are shorter than the first header of an archive. */
function checkIsNothingElse(bytes: Bytes): void {
  if (bytes.length === 0 || bytes.length >= blockBytes) return;
  const head = Buffer.alloc(bytes.length);
  bytes.read(head, 0);
  if ((contentKindOf(head)?.is ?? tarArchive) !== tarArchive)
    throw new DataError(`${bytes.name} is not a tar archive: ${inWords(head, '', 'get it again')}`);
}

function checkSum(archive: string, header: Uint8Array, at: number): void {
  // The sum counts its own eight bytes as spaces. Some old programs treated bytes as signed.
  const sumOf = (value: (byte: number) => number) =>
    header.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : value(byte)), 0);
  const sum = octal(header.subarray(148, 156));
  if (sum === sumOf((byte) => byte) || sum === sumOf((byte) => (byte << 24) >> 24)) return;
  const found = at === 0 ? inWords(Buffer.from(header), 'it begins with something else', 'get it again') : '';
  throw new DataError(
    at === 0
      ? `${archive} is not a tar archive: ${found}`
      : `${archive} is damaged: there is no tar header at byte ${at}: get it again`,
  );
}

/** Octal digits or, for larger sizes, the first bit set and a big-endian number. */
function sizeOf(header: Uint8Array): number {
  const field = header.subarray(124, 136);
  if ((field[0]! & 0x80) === 0) return octal(field);
  return field.subarray(1).reduce((value, byte) => value * 256 + byte, field[0]! & 0x7f);
}

function octal(field: Uint8Array): number {
  const digits = text(field).trim();
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : digits === '' ? 0 : Number.NaN;
}

function nameOf(header: Uint8Array): string {
  const name = text(header.subarray(0, 100));
  const isUstar = text(header.subarray(257, 263)) === 'ustar';
  const prefix = isUstar ? text(header.subarray(345, 500)) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

/** Text up to the first zero byte. In another encoding than UTF-8, letters are wrong but different names stay so. */
function text(field: Uint8Array): string {
  const end = field.indexOf(0);
  const content = Buffer.from(end < 0 ? field : field.subarray(0, end));
  return content.toString(isUtf8(content) ? 'utf8' : 'latin1');
}

/** `LENGTH KEY=VALUE\n`, one after another. */
function paxRecords(content: Uint8Array): Record<string, string> {
  const records: Record<string, string> = {};
  const buffer = Buffer.from(content);
  for (let at = 0; at < buffer.length; ) {
    const space = buffer.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(buffer.toString('latin1', at, space));
    if (!Number.isInteger(length) || length <= space - at || at + length > buffer.length) return records;
    const record = buffer.toString('utf8', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    if (equals > 0) records[record.slice(0, equals)] = record.slice(equals + 1);
    at += length;
  }
  return records;
}

/** The name in the header before a member's content. */
export function memberNameAt(file: string, descriptor: number, offset: number): string {
  const header = new Uint8Array(blockBytes);
  readFully(file, descriptor, header, offset - blockBytes);
  return nameOf(header);
}

/** Opens a file for random access while `use` runs. */
export function withFile<Result>(file: string, use: (bytes: Bytes) => Result): Result {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch (error) {
    throw readError(file, error);
  }
  try {
    return use({
      name: file,
      length: fstatSync(descriptor).size,
      read: (target, position) => readFully(file, descriptor, target, position),
    });
  } finally {
    closeSync(descriptor);
  }
}

/** Fills `target`, or throws a `DataError` if the file ends before. */
export function readFully(file: string, descriptor: number, target: Uint8Array, position: number): void {
  for (let done = 0; done < target.length; ) {
    const read = readSync(descriptor, target, done, target.length - done, position + done);
    if (read === 0) throw new DataError(`${file} ends at byte ${position + done}: it is truncated, or was changed`);
    done += read;
  }
}

/** A part of some bytes, such as an archive within an archive. */
export function partOf(bytes: Bytes, { name, offset, length }: TarMember): Bytes {
  return {
    name: `${bytes.name}: ${name}`,
    length,
    read: (target, position) => bytes.read(target, offset + position),
  };
}
