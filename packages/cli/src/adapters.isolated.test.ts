import { type AdapterDescription, AdapterError, ConfigError, GPUBufferUsage, openGpu } from '@alex/tensor';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { chooseAdapters, openAdapters } from './adapters.js';

/** Indices of adapters that are gone. */
const gone = new Set<number>();

vi.mock('@alex/tensor', async (importOriginal) => {
  const tensor = await importOriginal<typeof import('@alex/tensor')>();
  const opening: typeof openGpu = async (options) => {
    if (gone.has(Number(options?.adapter))) throw new tensor.AdapterError(`adapter ${options?.adapter} is gone`);
    return tensor.openGpu({ ...options, adapter: 0 });
  };
  const [first] = await tensor.listAdapters();
  const listing = async () => [0, 1].map((index) => ({ ...first!, index, name: `card ${index}` }));
  return { ...tensor, openGpu: vi.fn(opening), listAdapters: listing };
});

function adapter(index: number, name: string, bus?: string): AdapterDescription {
  const known = { vendor: '', architecture: '', driver: '', kind: 'hardware', embedded: false } as const;
  return { index, name, ...known, ...(bus !== undefined && { bus }) };
}

describe('named adapters', () => {
  const adapters = [
    adapter(0, 'GeForce RTX 4090', '0000:03:00.0'),
    adapter(1, 'GeForce RTX 4090', '0000:43:00.0'),
    adapter(2, 'Arc A770'),
    adapter(3, 'llvmpipe (LLVM 15.0.6, 256 bits)'),
  ];
  it.each([
    ['RTX', [0]],
    ['RTX ,rtx', [0, 1]],
    ['rtx, rtx, rtx', [0, 1, 0]],
    ['0000:43:00.0,arc', [1, 2]],
    ['arc,Arc', [2, 2]],
    ['1,rtx', [1, 0]],
    ['0,0', [0, 0]],
    ['llvmpipe (LLVM 15.0.6, 256 bits)', [3]],
  ])('%s', (text, indices) => {
    expect(chooseAdapters(adapters, text).map(({ index }) => index)).toEqual(indices);
  });

  it('must exist', () => {
    expect(() => chooseAdapters(adapters, 'rtx,Voodoo2')).toThrow(ConfigError);
    expect(() => chooseAdapters(adapters, 'rtx,')).toThrow(/there is no adapter/);
    expect(() => chooseAdapters(adapters, '7')).toThrow(/there is no adapter 7/);
  });
});

describe('an adapter that cannot be opened', () => {
  beforeEach(() => gone.clear());

  it('gives an error, and all others are closed', async () => {
    gone.add(1);
    await expect(openAdapters('0,1')).rejects.toThrow(/adapter 1 is gone/);
    const [opened] = vi.mocked(openGpu).mock.results;
    const gpu = await opened!.value;
    expect(() => gpu.createBuffer({ label: 'late', size: 4, usage: GPUBufferUsage.STORAGE })).toThrow(/disposed/);
  });

  it('is reported if the remaining ones are enough', async () => {
    gone.add(0);
    const onMissing = vi.fn();
    const gpus = await openAdapters('0,1', { onMissing });
    expect(gpus).toHaveLength(1);
    for (const gpu of gpus) gpu.dispose();
    expect(onMissing).toHaveBeenCalledExactlyOnceWith(expect.any(AdapterError));
    gone.add(1);
    await expect(openAdapters('0,1', { onMissing })).rejects.toThrow(AdapterError);
    expect(onMissing).toHaveBeenCalledOnce();
  });
});
