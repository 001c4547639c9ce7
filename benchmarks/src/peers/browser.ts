import type { Gpu } from '@alex/tensor';
import { globals } from 'webgpu';

/**
 * Makes this process look like a browser to a library that looks for WebGPU there. It offers one adapter, with the
 * device that is already open. So peers compute on the same device as Alex, with its limits and without the driver's
 * bounds checks, which is to their advantage as well.
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
