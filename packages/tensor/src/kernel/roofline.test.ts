import { expect, test } from 'vitest';
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

test('a kernel takes at least what bounds it', () => {
  const roofline = { multiplyAddsPerSecond: 1e9, copyBytesPerSecond: 1e8 };
  expect(leastTime(roofline, { multiplyAdds: 2e6, bytes: 1e5 })).toEqual({ milliseconds: 2, boundBy: 'multiply-adds' });
  expect(leastTime(roofline, { multiplyAdds: 2e6, bytes: 1e6 })).toEqual({ milliseconds: 10, boundBy: 'copy' });
});
