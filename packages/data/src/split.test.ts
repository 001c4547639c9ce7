import { ConfigError } from '@alex/tensor';
import { describe, expect, test } from 'vitest';
import { forEachLimited, keepDecoded } from './split.js';
import { splitOfImages, turns } from './testing.js';

describe('a split', () => {
  const split = splitOfImages([[1], [2], [3]], [1, 1, 1]);

  test('reads images in the requested order, also twice', async () => {
    const batch = await split.read([2, 0, 2]);
    expect(batch).toEqual({
      count: 3,
      height: 1,
      width: 1,
      channels: 1,
      pixels: Uint8Array.of(3, 1, 3),
      labels: Uint32Array.of(0, 0, 0),
    });
  });

  test('returns an empty batch for no indices', async () => {
    expect((await split.read([])).count).toBe(0);
  });

  test.each([-1, 3, 0.5, Number.NaN])('refuses image %d', async (i) => {
    await expect(split.read([0, i])).rejects.toThrow(ConfigError);
    await expect(split.read([0, i])).rejects.toThrow(`images 0 to 2: there is no image ${i}`);
    expect(() => split.imageName(i)).toThrow(ConfigError);
  });
});

describe('forEachLimited', () => {
  test('runs every job once, never more at a time than allowed', async () => {
    let running = 0;
    let most = 0;
    const done: number[] = [];
    await forEachLimited(20, 3, async (i) => {
      most = Math.max(most, ++running);
      await turns(i % 3);
      running--;
      done.push(i);
    });
    expect(most).toBe(3);
    expect(done.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });

  test('starts no further job after a failure, and fails when the running ones have ended', async () => {
    const begun: number[] = [];
    let running = 0;
    const all = forEachLimited(100, 2, async (i) => {
      begun.push(i);
      running++;
      await turns(i === 1 ? 1 : 20);
      running--;
      if (i === 1) throw new Error('job 1');
    });
    await expect(all).rejects.toThrow('job 1');
    expect(begun).toEqual([0, 1]);
    expect(running).toBe(0);
  });
});

describe('keepDecoded', () => {
  test('decodes cached images once, and others again', async () => {
    const decoded: number[] = [];
    const memory = { bytesLeft: 5 };
    const place = keepDecoded(memory, (i, target) => {
      decoded.push(i);
      target.fill(i);
    });
    for (let epoch = 0; epoch < 2; epoch++) {
      for (const i of [1, 2, 3]) {
        const target = new Uint8Array(2);
        await place(i, target);
        expect([...target]).toEqual([i, i]);
        target.fill(99);
      }
    }
    expect(decoded).toEqual([1, 2, 3, 3]);
    expect(memory.bytesLeft).toBe(1);
  });
});
