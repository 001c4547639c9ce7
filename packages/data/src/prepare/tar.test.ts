import { DataError } from '@alex/tensor';
import fc from 'fast-check';
import { pack } from 'tar-stream';
import { describe, expect, test } from 'vitest';
import { fuzzTar } from '../fuzzing.js';
import { type Bytes, partOf, type TarMember, tarMembers } from './tar.js';

/** Bytes in memory; reading beyond their end is an error of the reader. */
export function bytesOf(content: Uint8Array): Bytes {
  return {
    name: 'test.tar',
    length: content.length,
    read(target, position) {
      expect(position >= 0 && position + target.length <= content.length).toBe(true);
      target.set(content.subarray(position, position + target.length));
    },
  };
}

interface Entry {
  readonly name: string;
  readonly content: Buffer;
  readonly type?: 'directory' | 'symlink' | 'link';
  readonly linkname?: string;
}

async function archive(files: readonly Entry[]) {
  const packed = pack();
  for (const { name, content, type, linkname = 'x' } of files) {
    if (type) packed.entry({ name, type, linkname });
    else packed.entry({ name }, content);
  }
  packed.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of packed) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const list = (content: Uint8Array) => [...tarMembers(bytesOf(content))];

/** A header as written by GNU tar, for features that tar-stream does not support. */
function header(name: string, type: string, size: number, sizeField?: Buffer, link = ''): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0, 'latin1');
  block.write(link, 157);
  block.write('0000644\0', 100);
  if (sizeField) sizeField.copy(block, 124);
  else block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write(type, 156);
  block.write('ustar  \0', 257);
  block.write('        ', 148);
  block.write(
    `${block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  );
  return block;
}
const padded = (content: Buffer) => Buffer.concat([content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
const end = Buffer.alloc(1024);

describe('tarMembers', () => {
  test('finds every file at the offset where tar-stream put it, with names of any length', async () => {
    // Paths beyond 100 characters go into the prefix, and beyond that into a pax header, as do those that are not
    // ASCII.
    const name = fc
      .array(fc.stringMatching(/^[a-zäß ]{1,60}$/), { minLength: 1, maxLength: 6 })
      .map((parts) => parts.join('/'));
    const file = fc.record({ name, content: fc.uint8Array({ maxLength: 1500 }).map((bytes) => Buffer.from(bytes)) });
    await fc.assert(
      fc.asyncProperty(fc.array(file, { maxLength: 5 }), async (files) => {
        const content = await archive(files);
        const members = list(content);
        expect(members.map(({ name }) => name)).toEqual(files.map(({ name }) => name));
        members.forEach(({ offset, length }, i) => {
          expect(content.subarray(offset, offset + length).equals(files[i]!.content)).toBe(true);
        });
      }),
    );
  });

  test('reads long names and large sizes as GNU tar writes them', () => {
    const long = `${'directory/'.repeat(20)}image.JPEG`;
    const base256 = Buffer.alloc(12);
    base256[0] = 0x80;
    base256[11] = 3;
    const content = Buffer.concat([
      header('././@LongLink', 'L', long.length + 1),
      padded(Buffer.from(`${long}\0`)),
      header('directory/pic', '0', 5),
      padded(Buffer.from('hello')),
      header('next', '0', 3, base256),
      padded(Buffer.from('abc')),
      end,
    ]);
    expect(list(content)).toEqual([
      { name: long, offset: 1536, length: 5 },
      { name: 'next', offset: 2560, length: 3 },
    ]);
  });

  test('skips directories and reads archives within archives', async () => {
    const inner = await archive([{ name: 'a.JPEG', content: Buffer.from('image') }]);
    const outer = await archive([
      { name: 'folder', content: Buffer.of(), type: 'directory' },
      { name: 'n01440764.tar', content: inner },
    ]);
    const [member] = list(outer);
    const [image] = [...tarMembers(partOf(bytesOf(outer), member!))];
    const start = member!.offset + image!.offset;
    expect(outer.toString('latin1', start, start + image!.length)).toBe('image');
  });

  test('reports an archive truncated at any byte', async () => {
    const content = await archive([
      { name: 'a', content: Buffer.alloc(700, 1) },
      { name: 'b', content: Buffer.alloc(10, 2) },
    ]);
    // One of the two empty blocks at the end is enough.
    for (let length = 0; length < content.length - 512; length += 64) {
      expect(() => list(content.subarray(0, length)), `${length} bytes`).toThrow(DataError);
      expect(() => list(content.subarray(0, length))).toThrow('is truncated');
    }
    expect(list(content.subarray(0, content.length - 512))).toHaveLength(2);
  });

  test('an archive without an end marker is read if allowed, and if its last member is whole', async () => {
    const content = await archive([
      { name: 'a', content: Buffer.alloc(700, 1) },
      { name: 'folder/b.jpg', content: Buffer.alloc(10, 2) },
    ]);
    const lenient = (length: number) => [...tarMembers(bytesOf(content.subarray(0, length)), { endOptional: true })];
    const [a, b] = list(content) as [TarMember, TarMember];
    // With the last member's padding or without.
    for (const length of [b.offset + 512, b.offset + 10]) expect(lenient(length)).toEqual([a, b]);
    expect(lenient(a.offset + 1024)).toEqual([a]);
    expect(() => lenient(b.offset + 9)).toThrow(
      'test.tar is truncated: folder/b.jpg at byte 1536 should have 10 bytes, 9 are left: get it again',
    );
    expect(() => lenient(b.offset - 1)).toThrow('is truncated at byte 1536');
    expect(() => lenient(0)).toThrow('is truncated at byte 0');
  });

  test('skips directories in the format before POSIX', () => {
    expect(list(Buffer.concat([header('folder/', '\0', 0), header('folder/a', '\0', 0), end]))).toEqual([
      { name: 'folder/a', offset: 1024, length: 0 },
    ]);
  });

  test('refuses files that are not archives, and damaged archives', async () => {
    expect(() => list(Buffer.alloc(2048, 65))).toThrow('test.tar is not a tar archive: it is text; get it again');
    const content = await archive([
      { name: 'a', content: Buffer.alloc(512, 1) },
      { name: 'b', content: Buffer.alloc(10, 2) },
    ]);
    content[1024 + 3]! ^= 1;
    expect(() => list(content)).toThrow('test.tar is damaged: there is no tar header at byte 1024');
  });

  test.each(['../a.JPEG', 'a/../../b', '/etc/passwd', '..', 'C:/x', '\\x'])('refuses the name %s', async (name) => {
    const content = Buffer.concat([header(name, '0', 0), end]);
    expect(() => list(content)).toThrow(DataError);
    expect(() => list(content)).toThrow(`contains the name \`${name}\`, which points outside of it`);
  });

  test('takes a hard link for the file that it names, and refuses other links', async () => {
    const long = `${'long/'.repeat(40)}name`;
    const a = { name: long, content: Buffer.alloc(700, 1) };
    const [first, second, third] = list(
      await archive([
        a,
        { name: 'b', content: Buffer.of(), type: 'link', linkname: long },
        { name: 'c', content: Buffer.of(), type: 'link', linkname: 'b' },
      ]),
    );
    expect([second, third]).toEqual([
      { ...first, name: 'b' },
      { ...first, name: 'c' },
    ]);
    const byGnu = Buffer.concat([
      header('d', '0', 5),
      padded(Buffer.from('hello')),
      header('././@LongLink', 'K', 2),
      padded(Buffer.from('d\0')),
      header('e', '1', 0, undefined, 'cut off'),
      end,
    ]);
    expect(list(byGnu).map(({ offset }) => offset)).toEqual([512, 512]);
    for (const [type, linkname] of [
      ['link', 'nowhere'],
      ['symlink', long],
    ] as const) {
      const content = await archive([a, { name: 'link', content: Buffer.of(), type, linkname }]);
      expect(() => list(content)).toThrow(
        'link is not a file but a link: get the archive again, or pack it with tar --dereference',
      );
    }
  });

  test('skips volume labels and lists of folders; a folder has no contents, whatever its size field says', () => {
    const content = Buffer.concat([
      header('label', 'V', 0),
      header('folder/', '5', 4096),
      header('folder/', 'D', 4),
      padded(Buffer.from('Ya\0\0')),
      header('folder/a', '0', 3),
      padded(Buffer.from('abc')),
      end,
    ]);
    expect(list(content)).toEqual([{ name: 'folder/a', offset: 5 * 512, length: 3 }]);
  });

  test('names in another encoding than UTF-8 stay different', () => {
    const content = Buffer.concat([header('caf\u00e9', '0', 0), header('caf\u00e8', '0', 0), end]);
    expect(list(content).map(({ name }) => name)).toEqual(['caf\u00e9', 'caf\u00e8']);
  });

  test('accepts checksums of signed bytes, as written by some old programs', () => {
    const block = header('caf\u00e9', '0', 0);
    const sum = block.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : (byte << 24) >> 24), 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    expect(list(Buffer.concat([block, end]))).toHaveLength(1);
  });

  test('mutated archives are read or refused: nothing else, and nothing beyond their end', async () => {
    const { read, refused } = await fuzzTar({ inputs: 4000, seed: 1 });
    expect(read + refused).toBe(4000);
    expect(read).toBeGreaterThan(100);
    expect(refused).toBeGreaterThan(100);
  });
});
