import { expect, test, vi } from 'vitest';
import { testGpu } from '../testing.js';
import { leastTime, measureRoofline } from './roofline.js';

test('a roofline is two finite rates and leaves nothing behind', async () => {
  const gpu = await testGpu();
  const before = gpu.liveBuffers;
  const { multiplyAddsPerSecond, copyBytesPerSecond } = await measureRoofline(gpu);
  expect(multiplyAddsPerSecond).toBeGreaterThan(0);
  expect(copyBytesPerSecond).toBeGreaterThan(0);
  expect(Number.isFinite(multiplyAddsPerSecond) && Number.isFinite(copyBytesPerSecond)).toBe(true);
  expect(gpu.liveBuffers).toBe(before);
});

test('a card is measured within its memory', async () => {
  const memoryBytes = 2 ** 18;
  const gpu = await testGpu({ memoryBytes }, 'hardware');
  const sizes: number[] = [];
  const createBuffer = vi.spyOn(gpu, 'createBuffer').mockImplementation(function (this: typeof gpu, options) {
    sizes.push(options.size);
    return Object.getPrototypeOf(gpu).createBuffer.call(gpu, options);
  });
  const { multiplyAddsPerSecond, copyBytesPerSecond } = await measureRoofline(gpu);
  createBuffer.mockRestore();
  expect(multiplyAddsPerSecond).toBeGreaterThan(0);
  expect(copyBytesPerSecond).toBeGreaterThan(0);
  // Half of it for the results of multiply-adds, and a quarter for each side of a copy.
  expect(new Set(sizes.filter((size) => size > 1024))).toEqual(new Set([memoryBytes / 2, memoryBytes / 4]));
  expect(gpu.liveBuffers).toBe(0);
});

test('a kernel takes at least the time of its bound', () => {
  const roofline = { multiplyAddsPerSecond: 1e9, copyBytesPerSecond: 1e8 };
  expect(leastTime(roofline, { multiplyAdds: 2e6, bytes: 1e5 })).toEqual({ milliseconds: 2, boundBy: 'multiply-adds' });
  expect(leastTime(roofline, { multiplyAdds: 2e6, bytes: 1e6 })).toEqual({ milliseconds: 10, boundBy: 'copy' });
});
