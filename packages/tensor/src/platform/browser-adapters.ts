import { ConfigError } from '../errors.js';
import { page } from './page.js';
import type { Found, Search, SearchOptions } from './platform.js';
import type { GPU, GPUAdapterInfo, GPURequestAdapterOptions } from './webgpu.js';

/** What to ask a browser for, the best first. It never says which adapters there are. */
const requests: readonly GPURequestAdapterOptions[] = [
  { powerPreference: 'high-performance' },
  { powerPreference: 'low-power' },
  { forceFallbackAdapter: true },
];

const howToGetWebGpu =
  'Chrome and Edge have it since version 113 (on Linux, some only with chrome://flags/#enable-unsafe-webgpu), ' +
  'Firefox since 141 on Windows, Safari since 26.';

/** The adapters that this browser offers. Of two that it gives the same name, only one can be selected. */
export async function findAdapters({ environment }: SearchOptions): Promise<Search> {
  if (environment) {
    throw new ConfigError(
      'environment: a browser has no environment variables; omit the option, and select by "adapter" from listAdapters().',
    );
  }
  const gpu = page.navigator?.gpu;
  if (!gpu) return { found: [], whyNone: whyNoWebGpu() };
  const found: Found[] = [];
  for (const options of requests) {
    const one = await find(gpu, options, found.length);
    if (one && found.every(({ description: { name } }) => name !== one.description.name)) found.push(one);
  }
  return { found, whyNone: `No adapter: ${whyNoAdapter}` };
}

async function find(gpu: GPU, options: GPURequestAdapterOptions, index: number): Promise<Found | undefined> {
  const request = () => gpu.requestAdapter(options);
  const adapter = await request();
  if (!adapter) return undefined;
  const { info } = adapter;
  const { vendor, architecture } = info;
  // Its older place.
  const isFallback = info.isFallbackAdapter ?? (adapter as { readonly isFallbackAdapter?: boolean }).isFallbackAdapter;
  const kind = isFallback ? 'software' : 'hardware';
  const driver = page.navigator?.userAgent ?? 'a browser';
  return { description: { index, name: nameOf(info), vendor, architecture, driver, kind, embedded: false }, request };
}

/** Browsers leave out what would tell one user from another. */
function nameOf({ description, vendor, architecture, device }: GPUAdapterInfo): string {
  return description || [vendor, architecture, device].filter(Boolean).join(' ') || 'the adapter of this browser';
}

const whyNoAdapter =
  'this browser has WebGPU, but offers no adapter. Switch on hardware acceleration in its settings, update the driver of ' +
  'the GPU, and see what chrome://gpu (about:support in Firefox) says about WebGPU.';

function whyNoWebGpu(): string {
  return page.isSecureContext === false
    ? 'No adapter: browsers offer WebGPU only to pages from https:// or http://localhost, and this page is from neither.'
    : `No adapter: this browser has no WebGPU. ${howToGetWebGpu}`;
}
