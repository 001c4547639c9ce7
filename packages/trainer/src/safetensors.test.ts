import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, type HostTensor, ShapeError } from '@alex/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { readCheckpoint, writeCheckpoint } from './checkpoint.js';
import { readSafetensors, writeSafetensors } from './safetensors.js';

const directory = temporaryFolder();

const tensor = (shape: number[], ...values: number[]): HostTensor => ({ shape, data: Float32Array.from(values) });

/** A handmade file: the given header, then `bytes` zeros. */
async function handmade(name: string, header: unknown, bytes: number): Promise<string> {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const path = join(directory, name);
  await writeFile(path, Buffer.concat([length, text, Buffer.alloc(bytes)]));
  return path;
}

const entry = (shape: number[], begin: number, end: number, dtype = 'F32') => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

describe('writeSafetensors', () => {
  it('writes the bytes of the format', async () => {
    const path = join(directory, 'known.safetensors');
    await writeSafetensors(path, { b: tensor([1], -2), a: tensor([2], 1, 0.5) });
    const bytes = await readFile(path);
    // The checksum is that of the file with zeros in its place.
    const zeroed = Buffer.from(bytes.toString('latin1').replace(/"[0-9a-f]{64}"/, `"${'0'.repeat(64)}"`), 'latin1');
    const sum = createHash('sha256').update(zeroed).digest('hex');
    const header =
      `{"__metadata__":{"sha256":"${sum}"},` +
      '"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}';
    const length = Number(bytes.readBigUInt64LE());
    expect(length % 8).toBe(0);
    expect(
      bytes
        .subarray(8, 8 + length)
        .toString()
        .trimEnd(),
    ).toBe(header);
    expect([...bytes.subarray(8 + length)]).toEqual([0, 0, 0x80, 0x3f, 0, 0, 0, 0x3f, 0, 0, 0, 0xc0]);
  });

  it('writes the same bytes for any order of names', async () => {
    const [one, other] = [join(directory, 'one'), join(directory, 'other')];
    const [a, b] = [tensor([2, 1], 1, 2), tensor([], 3)];
    await writeSafetensors(one, { a, b }, { step: '3', name: 'x' });
    await writeSafetensors(other, { b, a }, { name: 'x', step: '3' });
    expect(await readFile(one)).toEqual(await readFile(other));
  });

  it('restores every bit', async () => {
    const path = join(directory, 'round');
    const bits = fc.array(fc.integer({ min: 0, max: 0xffffffff }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.stringMatching(/^[a-z0-9.é]{1,9}$/), bits), async (content) => {
        const tensors: Record<string, HostTensor> = {};
        for (const [name, words] of Object.entries(content)) {
          tensors[name] = { shape: [words.length, 1], data: new Float32Array(Uint32Array.from(words).buffer) };
        }
        await writeSafetensors(path, tensors, { note: 'ü' });
        const read = await readSafetensors(path);
        expect(read.metadata).toEqual({ note: 'ü' });
        expect(Object.keys(read.tensors).sort()).toEqual(Object.keys(tensors).sort());
        for (const [name, { shape, data }] of Object.entries(tensors)) {
          expect(read.tensors[name]!.shape).toEqual(shape);
          expect(Buffer.from(read.tensors[name]!.data.buffer)).toEqual(Buffer.from(data.buffer));
        }
      }),
      { numRuns: 50 },
    );
  });

  it('leaves the older file and nothing else if it fails', async () => {
    const inside = await mkdtemp(join(directory, 'kept-'));
    const path = join(inside, 'weights');
    await writeSafetensors(path, { a: tensor([1], 1) });
    await expect(writeSafetensors(path, { a: tensor([2], 1) })).rejects.toThrow(ShapeError);
    await expect(writeSafetensors(join(inside, 'none', 'weights'), {})).rejects.toThrow(
      /none.weights: could not be written/,
    );
    await expect(writeSafetensors(join(path, 'weights'), {})).rejects.toThrow(/a part of the path is a file/);
    expect(await readdir(inside)).toEqual(['weights']);
    const { a } = (await readSafetensors(path)).tensors;
    expect(a?.data).toEqual(Float32Array.of(1));
  });
});

describe('readSafetensors', () => {
  it('detects every changed byte', async () => {
    const path = join(directory, 'damaged');
    await writeSafetensors(path, { weight: tensor([3], 1, 2, 3) }, { step: '3' });
    const bytes = await readFile(path);
    const name = bytes.indexOf('sha256');
    for (let at = 0; at < bytes.length; at++) {
      // Under another name, the checksum is an ordinary note.
      if (at >= name && at < name + 6) continue;
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 1;
      await writeFile(path, damaged);
      await expect(readSafetensors(path), `byte ${at}`).rejects.toThrow(CheckpointError);
    }
    await writeFile(path, bytes);
    expect((await readSafetensors(path)).metadata).toEqual({ step: '3' });
  });

  it('reports a file truncated anywhere', async () => {
    const path = join(directory, 'torn');
    await writeSafetensors(path, { weight: tensor([3], 1, 2, 3), bias: tensor([1], 4) });
    const { length } = await readFile(path);
    for (let size = length - 1; size >= 0; size -= 1) {
      await truncate(path, size);
      await expect(readSafetensors(path), `${size} of ${length} bytes`).rejects.toThrow(CheckpointError);
    }
  });

  it.each<[string, unknown, number, RegExp]>([
    ['overlapping', { a: entry([2], 0, 8), b: entry([2], 4, 12) }, 12, /b begins at byte 4 .* inside the tensor/],
    ['hole', { a: entry([1], 0, 4), b: entry([1], 8, 12) }, 12, /b begins at byte 8 .* past the end of the tensor/],
    ['hole-at-start', { a: entry([1], 4, 8) }, 8, /a begins at byte 4/],
    ['overrun', { a: entry([4], 0, 16) }, 12, /a needs .* truncated/],
    ['trailing', { a: entry([1], 0, 4) }, 7, /3 bytes follow/],
    ['shape', { a: entry([2, 2], 0, 12) }, 12, /a has shape \[2, 2\].* 12 bytes/],
    ['backwards', { a: entry([1], 4, 0) }, 4, /a has shape/],
    ['type', { a: entry([1], 0, 8, 'F64') }, 8, /a contains F64; only F32, F16 and BF16 are supported, convert/],
    ['inherited', { a: entry([1], 0, 4, 'constructor') }, 4, /a contains constructor/],
    ['halves', { a: entry([3], 0, 12, 'F16') }, 12, /a has shape \[3\], which its 12 bytes do not fit/],
    ['odd', { a: entry([1], 0, 3, 'BF16') }, 3, /a has shape \[1\], which its 3 bytes do not fit/],
    ['negative', { a: entry([-1], 0, 4) }, 4, /header entry for a is not a type/],
    ['fraction', { a: entry([0.5], 0, 2) }, 2, /header entry for a is not a type/],
    ['huge', { a: entry([2 ** 40, 2 ** 40], 0, 4) }, 4, /a has shape/],
    ['field', { a: { dtype: 'F32', shape: [1] } }, 4, /header entry for a is not a type/],
    ['notes', { __metadata__: { step: 3 } }, 0, /notes/],
    ['array', [], 0, /not a JSON object/],
    ['text', 'not json', 0, /not JSON/],
    ['encoding', 'null', 0, /not a JSON object/],
  ])('names file and defect: %s', async (name, header, bytes, message) => {
    const path = await handmade(name, header, bytes);
    const failure = await readSafetensors(path).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CheckpointError);
    expect(String(failure)).toContain(path);
    expect(String(failure)).toMatch(message);
  });

  it('distinguishes a file of another format, a missing one and a directory', async () => {
    const foreign = join(directory, 'photo.jpg');
    await writeFile(foreign, Buffer.alloc(64, 0xff));
    await expect(readSafetensors(foreign)).rejects.toThrow(/does not begin like a safetensors file/);
    await expect(readSafetensors(join(directory, 'missing'))).rejects.toThrow(/no such file/);
    await expect(readSafetensors(directory)).rejects.toThrow(/directory, not a file/);
  });

  it('reads tensors in any order, empty ones and a padded header', async () => {
    const header = JSON.stringify({ z: entry([1], 0, 4), a: entry([1], 4, 8), none: entry([0, 3], 4, 4) });
    const { tensors } = await readSafetensors(await handmade('order', `${header}   `, 8));
    expect(Object.keys(tensors).sort()).toEqual(['a', 'none', 'z']);
    const { none } = tensors;
    expect(none?.data.length).toBe(0);
  });

  it.each([
    { dtype: 'F16', exponentBits: 5 },
    { dtype: 'BF16', exponentBits: 8 },
  ])('reads every value of $dtype exactly', async ({ dtype, exponentBits }) => {
    const header = JSON.stringify({ before: entry([1], 0, 4), a: entry([256, 256], 4, 4 + 2 ** 17, dtype) });
    const path = await handmade(dtype, header, 4 + 2 ** 17);
    const bytes = await readFile(path);
    for (let bits = 0; bits < 2 ** 16; bits++) bytes.writeUInt16LE(bits, bytes.length - 2 ** 17 + 2 * bits);
    await writeFile(path, bytes);
    const { a } = (await readSafetensors(path)).tensors;
    expect(a!.shape).toEqual([256, 256]);
    const fractionBits = 15 - exponentBits;
    const bias = 2 ** (exponentBits - 1) - 1;
    for (let bits = 0; bits < 2 ** 16; bits++) {
      const exponent = (bits >> fractionBits) & (2 ** exponentBits - 1);
      const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits;
      let value = exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias);
      if (exponent === 2 ** exponentBits - 1) value = fraction === 0 ? Infinity : Number.NaN;
      const wanted = bits >> 15 ? -value : value;
      if (!Object.is(a!.data[bits], wanted)) expect([bits, a!.data[bits]]).toEqual([bits, wanted]);
    }
    await truncate(path, bytes.length - 1);
    await expect(readSafetensors(path)).rejects.toThrow(/truncated/);
  });

  it.each([
    { dtype: 'F16', one: 0x3c00, half: 0x3800, minusTwo: 0xc000 },
    { dtype: 'BF16', one: 0x3f80, half: 0x3f00, minusTwo: 0xc000 },
  ])(
    'reads $dtype tensors of odd lengths among others, verifies the checksum, and detects truncation',
    async (known) => {
      const { dtype, one, half, minusTwo } = known;
      const numbers = Buffer.alloc(12);
      numbers.writeUInt16LE(one, 0);
      // A float32 at an address that is not a multiple of four.
      numbers.writeFloatLE(0.1, 2);
      [half, one, minusTwo].forEach((bits, i) => void numbers.writeUInt16LE(bits, 6 + 2 * i));
      const entries = {
        scalar: entry([], 0, 2, dtype),
        single: entry([1], 2, 6),
        none: entry([3, 0], 6, 6, dtype),
        odd: entry([1, 3, 1], 6, 12, dtype),
      };
      const write = async (sha256: string) => {
        const path = await handmade(`among-${dtype}`, { __metadata__: { sha256 }, ...entries }, numbers.length);
        const bytes = await readFile(path);
        numbers.copy(bytes, bytes.length - numbers.length);
        await writeFile(path, bytes);
        return { path, bytes };
      };
      const zeroed = await write('0'.repeat(64));
      const { path, bytes } = await write(createHash('sha256').update(zeroed.bytes).digest('hex'));
      const { tensors, checked } = await readSafetensors(path);
      expect(checked).toBe(true);
      expect(tensors).toEqual({
        scalar: tensor([], 1),
        single: tensor([1], 0.1),
        none: tensor([3, 0]),
        odd: tensor([1, 3, 1], 0.5, 1, -2),
      });
      for (let at = bytes.length - numbers.length; at < bytes.length; at++) {
        const damaged = Buffer.from(bytes);
        damaged[at]! ^= 1;
        await writeFile(path, damaged);
        await expect(readSafetensors(path), `byte ${at}`).rejects.toThrow(/checksum is wrong/);
      }
      await writeFile(path, bytes);
      for (let size = bytes.length - 1; size >= 0; size--) {
        await truncate(path, size);
        await expect(readSafetensors(path), `${size} of ${bytes.length} bytes`).rejects.toThrow(CheckpointError);
      }
    },
  );

  it.each(['F16', 'BF16'])('writes the pieces of a large tensor of %s one after the other', async (dtype) => {
    // More than two pieces of 4 MiB, and an odd number of values; 1 to 255 are exact in both types.
    const count = 2 * 2 ** 21 + 3;
    const bitsOf = (value: number) => {
      const exponent = Math.floor(Math.log2(value));
      const [bias, fractionBits] = dtype === 'F16' ? [15, 10] : [127, 7];
      return ((exponent + bias) << fractionBits) | ((value / 2 ** exponent - 1) * 2 ** fractionBits);
    };
    const table = Array.from({ length: 255 }, (_, i) => bitsOf(i + 1));
    const path = await handmade(`large-${dtype}`, { a: entry([count], 0, 2 * count, dtype) }, 2 * count);
    const bytes = await readFile(path);
    const begin = bytes.length - 2 * count;
    for (let i = 0; i < count; i++) bytes.writeUInt16LE(table[i % 255]!, begin + 2 * i);
    await writeFile(path, bytes);
    const { a } = (await readSafetensors(path)).tensors;
    expect(a!.data.length).toBe(count);
    expect(a!.data.findIndex((value, i) => value !== (i % 255) + 1)).toBe(-1);
  });

  it.each(['F16', 'BF16'])('does not read a checkpoint that another program wrote as %s', async (dtype) => {
    const path = join(directory, 'checkpoint');
    await writeCheckpoint(path, { step: 3, parameters: { a: tensor([2], 0, 0) }, optimizerState: {} });
    const bytes = await readFile(path);
    const { __metadata__: kept } = JSON.parse(bytes.toString('utf8', 8, 8 + Number(bytes.readBigUInt64LE())));
    const { sha256: _, ...dropped } = kept;
    const withNotes = (notes: unknown) => handmade('converted', { __metadata__: notes, a: entry([2], 0, 4, dtype) }, 4);
    await expect(readCheckpoint(await withNotes(kept))).rejects.toThrow(/checksum is wrong/);
    await expect(readCheckpoint(await withNotes(dropped))).rejects.toThrow(/its checksum is missing/);
  });
});
