import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { withoutEmbedded } from '../../../embedded-driver.base.js';

const { load } = vi.hoisted(() => ({ load: vi.fn() }));
vi.mock('koffi', () => ({ default: { load } }));

/** As in a process that has just started. */
async function embeddedDriver() {
  vi.resetModules();
  return await (await import('./embedded-driver.js')).embeddedDriver();
}

function pretend(property: 'platform' | 'arch', value: string): void {
  const own = Object.getOwnPropertyDescriptor(process, property)!;
  restore.push(() => Object.defineProperty(process, property, own));
  Object.defineProperty(process, property, { ...own, value });
}

const restore: (() => void)[] = [];

beforeEach(() => {
  load.mockReset();
});

afterEach(() => {
  for (const undo of restore.splice(0)) undo();
  vi.unstubAllEnvs();
});

describe('embeddedDriver', () => {
  it('returns a manifest that names an existing driver', async ({ skip }) => {
    skip(withoutEmbedded !== undefined, withoutEmbedded);
    const { manifest } = await embeddedDriver();
    const { ICD } = JSON.parse(await readFile(manifest!, 'utf8')) as { ICD: { library_path: string } };
    const library = await stat(join(dirname(manifest!), ICD.library_path));
    expect(library.size).toBeGreaterThan(1_000_000);
  });

  it('uses the loader of the machine, if there is one', async ({ skip }) => {
    skip(withoutEmbedded !== undefined, withoutEmbedded);
    await embeddedDriver();
    expect(load.mock.calls).toEqual([['libvulkan.so.1']]);
  });

  it('loads the loader that comes with the driver, if the machine has none', async ({ skip }) => {
    skip(withoutEmbedded !== undefined, withoutEmbedded);
    load.mockImplementationOnce(() => {
      throw new Error('libvulkan.so.1: cannot open shared object file');
    });
    const { manifest } = await embeddedDriver();
    expect(load.mock.lastCall).toEqual([join(dirname(manifest!), 'libvulkan.so.1')]);
  });

  it('gives the reason if nothing can be unpacked or loaded', async ({ skip }) => {
    skip(withoutEmbedded !== undefined, withoutEmbedded);
    load.mockImplementation(() => {
      throw new Error('wrong ELF class');
    });
    expect(await embeddedDriver()).toMatchObject({ reason: expect.stringContaining('wrong ELF class') });
    vi.stubEnv('XDG_CACHE_HOME', '/dev/null/cache');
    vi.stubEnv('TMPDIR', '/dev/null/temporary');
    const driver = await embeddedDriver();
    expect(driver.manifest).toBeUndefined();
    expect(driver).toMatchObject({ reason: expect.stringContaining('/dev/null/cache/alex') });
    expect(driver).toMatchObject({ reason: expect.stringContaining('/dev/null/temporary/alex-') });
  });

  it('names the supported platforms on any other', async () => {
    pretend('platform', 'darwin');
    pretend('arch', 'arm64');
    expect(await embeddedDriver()).toEqual({
      manifest: undefined,
      reason: 'the embedded driver supports only Linux on x64, this is darwin on arm64',
    });
    expect(load).not.toHaveBeenCalled();
  });

  it.for([true, false])('is for threads whose environment the drivers see (%s)', async (seen, { skip }) => {
    skip(withoutEmbedded !== undefined, withoutEmbedded);
    vi.doMock('node:worker_threads', () => ({ isMainThread: false, threadId: 7 }));
    restore.push(() => vi.doUnmock('node:worker_threads'));
    // The C library's `getenv`, which does not see a thread's own copy.
    const getenv = (name: string) => (seen ? process.env[name] : null);
    load.mockImplementation((library) => (library === null ? { func: () => getenv } : undefined));
    const driver = await embeddedDriver();
    expect(process.env['ALEX_THREAD_7']).toBeUndefined();
    if (seen) expect(driver.manifest).toBeDefined();
    else expect(driver).toMatchObject({ reason: expect.stringMatching(/new Worker\(file, \{ env: SHARE_ENV \}\)/) });
  });
});
