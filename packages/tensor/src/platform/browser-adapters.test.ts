import { afterEach, describe, expect, it, vi } from 'vitest';
import { ConfigError } from '../errors.js';
import { findAdapters } from './browser-adapters.js';
import type { GPURequestAdapterOptions } from './webgpu.js';

afterEach(() => vi.unstubAllGlobals());

type Info = Readonly<Record<string, unknown>>;

/** A browser that answers each request with the information of an adapter, if it has one. */
function browser(answer: (options: GPURequestAdapterOptions) => Info | null, outside: Info = {}) {
  const requestAdapter = vi.fn(async (options: GPURequestAdapterOptions) => {
    const info = answer(options);
    return info && { ...outside, info: { vendor: '', architecture: '', device: '', description: '', ...info } };
  });
  vi.stubGlobal('navigator', { gpu: { requestAdapter }, userAgent: 'Browser/7' });
  return requestAdapter;
}

const described = async () => (await findAdapters({})).found.map(({ description }) => description);

describe('the adapters of a browser', () => {
  it('are its fast one, its economical one and its software driver, each once', async () => {
    const [fast, software] = [
      { vendor: 'nvidia', architecture: 'ampere' },
      { vendor: 'google', architecture: 'swiftshader' },
    ];
    browser(({ forceFallbackAdapter }) =>
      forceFallbackAdapter ? { ...software, isFallbackAdapter: true } : { ...fast, isFallbackAdapter: false },
    );
    const both = { driver: 'Browser/7', embedded: false };
    expect(await described()).toEqual([
      { ...fast, ...both, index: 0, name: 'nvidia ampere', kind: 'hardware' },
      { ...software, ...both, index: 1, name: 'google swiftshader', kind: 'software' },
    ]);
  });

  it('are requested again as they were found', async () => {
    const request = browser(({ powerPreference }) => (powerPreference === 'low-power' ? { vendor: 'intel' } : null));
    const { found } = await findAdapters({});
    request.mockClear();
    await found[0]!.request();
    expect(request.mock.calls).toEqual([[{ powerPreference: 'low-power' }]]);
  });

  it('have a name, whatever a browser says of them', async () => {
    browser(({ forceFallbackAdapter }) => (forceFallbackAdapter ? {} : { description: 'Radeon', vendor: 'amd' }));
    expect((await described()).map(({ name }) => name)).toEqual(['Radeon', 'the adapter of this browser']);
  });

  it('are software if an older browser says so elsewhere', async () => {
    browser(() => ({}), { isFallbackAdapter: true });
    expect((await described()).map(({ kind }) => kind)).toEqual(['software']);
  });
});

describe('without an adapter', () => {
  const whyNone = async () => {
    const { found, whyNone } = await findAdapters({});
    expect(found).toEqual([]);
    return whyNone;
  };

  it('says that the page must come from https:', async () => {
    vi.stubGlobal('navigator', {});
    vi.stubGlobal('isSecureContext', false);
    expect(await whyNone()).toMatch(/only to pages from https:.*localhost/);
  });

  it('says which browsers have WebGPU', async () => {
    vi.stubGlobal('navigator', {});
    vi.stubGlobal('isSecureContext', true);
    expect(await whyNone()).toMatch(/has no WebGPU\. Chrome/);
    vi.stubGlobal('navigator', undefined);
    expect(await whyNone()).toMatch(/has no WebGPU\. Chrome/);
  });

  it('says where to look if the browser offers none', async () => {
    browser(() => null);
    expect(await whyNone()).toMatch(/offers no adapter\. Switch on hardware acceleration/);
  });

  it('refuses variables of an environment', async () => {
    browser(() => ({}));
    await expect(findAdapters({ environment: {} })).rejects.toThrow(ConfigError);
  });
});
