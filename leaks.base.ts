import { afterAll, expect } from 'vitest';
import type { Gpu } from './packages/tensor/src/adapter/gpu.js';

/** Fails if the tests of a file, at whose top it stands, leave buffers on an adapter. */
export function expectNoLeaks(gpu: Gpu): void {
  const { liveBuffers } = gpu;
  afterAll(() => expect(gpu.liveBuffers).toBe(liveBuffers));
}
