import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { cacheFolders } from './cache-folder.js';
import { unpack } from './unpack.js';

/** Where the embedded driver lies, or why there is none. */
export type EmbeddedDriver =
  | {
      /** Path of the Vulkan driver manifest (`VK_DRIVER_FILES`). */
      readonly manifest: string;
    }
  | {
      readonly manifest: undefined;
      /** Why this machine cannot have it: one sentence. */
      readonly reason: string;
    };

let prepared: Promise<EmbeddedDriver> | undefined;

/**
 * Makes SwiftShader, a Vulkan driver that computes on the CPU, ready for use in this process: unpacks it into the cache
 * folder where that was not done yet and, where the machine has no Vulkan loader, loads the one that comes with it.
 *
 * Never throws for a machine that cannot have it: `manifest` is `undefined` then and `reason` says why.
 */
export function embeddedDriver(): Promise<EmbeddedDriver> {
  prepared ??= prepare();
  return prepared;
}

async function prepare(): Promise<EmbeddedDriver> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return {
      manifest: undefined,
      reason: `the embedded driver is built for Linux on x64, not for ${process.platform} on ${process.arch}`,
    };
  }
  try {
    const chromium = dirname(dirname(dirname(createRequire(import.meta.url).resolve('@sparticuz/chromium'))));
    const folder = await unpack(join(chromium, 'bin', 'swiftshader.tar.br'), cacheFolders());
    await loadVulkanLoader(join(folder, 'libvulkan.so.1'));
    return { manifest: join(folder, 'vk_swiftshader_icd.json') };
  } catch (error) {
    return { manifest: undefined, reason: `the embedded driver could not be prepared: ${(error as Error).message}` };
  }
}

/** WebGPU asks for the loader by its bare name: what is in the process under that name already is what it gets. */
async function loadVulkanLoader(embedded: string): Promise<void> {
  const { default: koffi } = await import('koffi');
  try {
    koffi.load('libvulkan.so.1');
  } catch {
    koffi.load(embedded);
  }
}
