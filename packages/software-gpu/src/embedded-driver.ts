import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { isMainThread, threadId } from 'node:worker_threads';
import { cacheFolders } from './cache-folder.js';
import { unpacked } from './unpack.js';

/** The path of the embedded driver, or why this process cannot use it. */
export type EmbeddedDriver =
  | {
      /** Path of the Vulkan driver manifest, for the environment variable `VK_DRIVER_FILES`. */
      readonly manifest: string;
    }
  | {
      readonly manifest: undefined;
      /** One sentence without a full stop. */
      readonly reason: string;
    };

const library = 'libvk_swiftshader.so';
const manifest = 'vk_swiftshader_icd.json';
const loader = 'libvulkan.so.1';

let prepared: Promise<EmbeddedDriver> | undefined;

/**
 * Makes SwiftShader, a Vulkan driver that runs on the CPU, available to this process. It is unpacked once, into a cache
 * folder (`$XDG_CACHE_HOME/alex` or `~/.cache/alex`, otherwise the system's temporary folder). If the machine has no
 * Vulkan loader, the included one is loaded.
 *
 * Linux on x64 only. On other platforms it does not throw: `manifest` is `undefined` and `reason` says why.
 */
export function embeddedDriver(): Promise<EmbeddedDriver> {
  prepared ??= prepare();
  return prepared;
}

async function prepare(): Promise<EmbeddedDriver> {
  const { platform, arch } = process;
  if (platform !== 'linux' || arch !== 'x64') {
    return unavailable(`the embedded driver supports only Linux on x64, this is ${platform} on ${arch}`);
  }
  try {
    // A worker usually has a copy of the environment, and drivers read the process's own.
    if (!isMainThread && !(await sharesEnvironment())) {
      return unavailable(
        'this worker thread has an environment of its own, which drivers do not see: make it with new Worker(file, { env: SHARE_ENV }), or open the adapter in the main thread',
      );
    }
    const folder = await unpackDriver();
    await loadVulkanLoader(join(folder, loader));
    return { manifest: join(folder, manifest) };
  } catch (error) {
    return unavailable(`the embedded driver could not be prepared: ${(error as Error).message}`);
  }
}

function unavailable(reason: string): EmbeddedDriver {
  return { manifest: undefined, reason };
}

/** The driver is part of the Chromium package: `bin/swiftshader.tar.br`, next to its entry `build/cjs/index.cjs`. */
async function unpackDriver(): Promise<string> {
  const chromium = join(createRequire(import.meta.url).resolve('@sparticuz/chromium'), '../../..');
  const { version } = JSON.parse(await readFile(join(chromium, 'package.json'), 'utf8')) as { version: string };
  const archive = join(chromium, 'bin', 'swiftshader.tar.br');
  return unpacked({ archive, files: [library, manifest, loader], name: `swiftshader-${version}` }, cacheFolders());
}

/** Whether what this thread writes into its environment is seen by libraries of the process. */
async function sharesEnvironment(): Promise<boolean> {
  const { default: koffi } = await import('koffi');
  const getenv = koffi.load(null).func('const char *getenv(const char *name)');
  const name = `ALEX_THREAD_${threadId}`;
  process.env[name] = 'seen';
  try {
    return getenv(name) === 'seen';
  } finally {
    delete process.env[name];
  }
}

/** WebGPU asks for the loader by its bare name and gets what the process holds under that name. */
async function loadVulkanLoader(embedded: string): Promise<void> {
  const { default: koffi } = await import('koffi');
  try {
    koffi.load(loader);
  } catch {
    koffi.load(embedded);
  }
}
