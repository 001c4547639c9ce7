import { DataError } from '@alex/tensor';
import { describe, expect, test } from 'vitest';
import { fuzzMat } from '../fuzzing.js';
import { readMatFile } from './mat-file.js';
import { matFile, synsets } from './testing.js';

describe('readMatFile', () => {
  test.each([
    { compressed: true, big: false },
    { compressed: false, big: false },
    { compressed: false, big: true },
  ])('reads records of numbers and strings (%o)', (options) => {
    const many = [...synsets, { id: 1000, wnid: 'n2', words: 'ab' }, { id: 300, wnid: '', words: 'größer' }];
    expect(readMatFile('meta.mat', matFile(many, options))).toEqual({
      synsets: many.map(({ id, wnid, words, children = 0 }) => ({
        ILSVRC2012_ID: [id],
        WNID: wnid,
        words,
        num_children: [children],
      })),
    });
  });

  test('refuses other files', () => {
    expect(() => readMatFile('meta.mat', Buffer.from('\x89HDF'))).toThrow(DataError);
    expect(() => readMatFile('meta.mat', Buffer.alloc(4000))).toThrow(
      'meta.mat is not a readable MATLAB 5 file: its header is something else; get it again',
    );
  });

  test('refuses a file truncated anywhere, or a variable is missing', () => {
    const whole = matFile(synsets, { compressed: false });
    for (let length = 0; length < whole.length; length += 5) {
      let variables = {};
      try {
        variables = readMatFile('meta.mat', whole.subarray(0, length));
      } catch (error) {
        expect(error).toBeInstanceOf(DataError);
      }
      expect(variables).toEqual({});
    }
  });

  test('reads or refuses mutated files', async () => {
    const { read, refused } = await fuzzMat({ inputs: 2000, seed: 4 }, matFile(synsets, { compressed: false }));
    expect(read + refused).toBe(2000);
    expect(read).toBeGreaterThan(10);
    await fuzzMat({ inputs: 1000, seed: 5 }, matFile(synsets));
  });
});
