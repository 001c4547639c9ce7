import type { Gpu } from '@alex/tensor';
import { globals } from 'webgpu';

/**
 * Makes this process look like a browser to a library that looks for WebGPU there, with one adapter in it: the one that is
 * open, with the device that is open. So peers compute on the very device that Alex computes on, with its limits and
 * without the driver's own bounds checks, which is to their advantage as well.
 */
export function pretendBrowser({ device }: Gpu): void {
  // A browser has WebGPU's classes and constants as globals.
  Object.assign(globalThis, globals);
  const adapter = {
    features: device.features,
    limits: device.limits,
    info: device.adapterInfo,
    requestDevice: async () => device,
  };
  Object.defineProperty(globalThis, 'navigator', {
    configurable: true,
    value: { userAgent: 'Node', gpu: { requestAdapter: async () => adapter } },
  });
}
