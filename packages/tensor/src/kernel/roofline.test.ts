import { expect, test } from 'vitest';
import { testGpu } from '../testing.js';
import { measureRoofline } from './roofline.js';

test('a roofline is two finite rates and leaves nothing behind', async () => {
  const gpu = await testGpu();
  const before = gpu.liveBuffers;
  const { multiplyAddsPerSecond, copyBytesPerSecond } = await measureRoofline(gpu);
  expect(multiplyAddsPerSecond).toBeGreaterThan(0);
  expect(copyBytesPerSecond).toBeGreaterThan(0);
  expect(Number.isFinite(multiplyAddsPerSecond) && Number.isFinite(copyBytesPerSecond)).toBe(true);
  expect(gpu.liveBuffers).toBe(before);
});
