import { DataError } from '@alex/tensor';

/** The locations and labels of a split's images. All columns have one value per image. */
export interface ImageIndex {
  /** Of the image's bytes within its shard. */
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
  readonly labels: Uint32Array;
  /** CRC-32 of the image's bytes. */
  readonly checksums: Uint32Array;
}

/** `ALEXIDX1`, the number of images, a word of 0; then four words per image. All words are 32 bits, little-endian. */
const magic = Buffer.from('ALEXIDX1', 'latin1');
const headerBytes = 16;
const recordBytes = 16;

type Entry = readonly [offset: number, length: number, label: number, checksum: number];

/** The bytes of an index. */
export function encodeIndex(entries: readonly Entry[]): Buffer {
  const bytes = Buffer.alloc(headerBytes + entries.length * recordBytes);
  magic.copy(bytes);
  bytes.writeUInt32LE(entries.length, 8);
  for (const [i, entry] of entries.entries()) {
    for (const [column, word] of entry.entries()) bytes.writeUInt32LE(word, headerBytes + i * recordBytes + 4 * column);
  }
  return bytes;
}

/**
 * Reads an index and checks that every image is within its shard and has a class.
 *
 * @param shards number of images and bytes of each shard, in order
 * @throws DataError if the file is not an index, or does not fit the shards.
 */
export function decodeIndex(
  name: string,
  bytes: Buffer,
  shards: readonly { readonly images: number; readonly bytes: number }[],
  classes: number,
): ImageIndex {
  const damaged = (why: string) => new DataError(`${name} is damaged: ${why}; prepare the data again`);
  if (bytes.length < headerBytes || !bytes.subarray(0, 8).equals(magic)) throw damaged('it begins with something else');
  const count = bytes.readUInt32LE(8);
  const promised = shards.reduce((sum, { images }) => sum + images, 0);
  if (count !== promised) throw damaged(`it has ${count} images, but the shards have ${promised}`);
  if (bytes.length !== headerBytes + count * recordBytes) {
    throw damaged(`it has ${bytes.length} bytes, ${count} images need ${headerBytes + count * recordBytes}`);
  }
  const column = (position: number) =>
    Uint32Array.from({ length: count }, (_, i) => bytes.readUInt32LE(headerBytes + i * recordBytes + 4 * position));
  const index = { offsets: column(0), lengths: column(1), labels: column(2), checksums: column(3) };
  let i = 0;
  for (const shard of shards) {
    for (const end = i + shard.images; i < end; i++) {
      const [offset, length] = [index.offsets[i]!, index.lengths[i]!];
      if (offset < 512 || offset % 512 !== 0 || length === 0 || offset + length > shard.bytes) {
        throw damaged(`image ${i} is not within its shard`);
      }
      if (index.labels[i]! >= classes) throw damaged(`image ${i} is of class ${index.labels[i]} of ${classes}`);
    }
  }
  return index;
}
