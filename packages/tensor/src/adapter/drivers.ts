import { delimiter } from 'node:path';
import { create, globals } from 'webgpu';
import type { AdapterDescription } from './gpu.js';

// WebGPU's enumerations and classes (GPUBufferUsage, GPUPipelineError ...) are globals of a browser; in Node they are not.
Object.assign(globalThis, globals);

/** An adapter that was found, and the way to it. */
export interface Found {
  readonly description: AdapterDescription;
  /** Asks the driver for the adapter; each time a fresh one, since an adapter gives one device only. */
  readonly request: () => Promise<GPUAdapter | null>;
}

/** Where to look for Vulkan drivers: environment variables for the moment of the search. */
type Drivers = Readonly<Record<string, string>>;

/** The interface to the drivers that is native to the platform, so that no adapter appears twice. */
const backend = process.platform === 'darwin' ? 'metal' : process.platform === 'win32' ? 'd3d12' : 'vulkan';

const toggles = [
  // The kernels guard their own indices: the driver need not do it again. Twice as fast on SwiftShader.
  'enable-dawn-features=disable_robustness',
  // Browsers round timestamps to a tenth of a millisecond against spying pages, and many a kernel takes less.
  'disable-dawn-features=timestamp_quantization',
];

/** No adapter is called this: Dawn answers such a request with the names of those that there are. */
const nobody = '(list the adapters)';

/** What Dawn makes must not outlive the instance it was made from, and nothing of Dawn's says so to the garbage collector. */
const instances: GPU[] = [];

/**
 * The machine's own adapters and the embedded one, the best one first; the reason where there is no embedded one.
 *
 * @param environment variables that drivers and the loader see
 */
export async function findAdapters(environment: Drivers = {}): Promise<{
  readonly found: Found[];
  readonly withoutEmbedded: string | undefined;
}> {
  const { manifest, reason } = await embeddedManifest();
  const embedded = manifest === undefined ? [] : await findIn({ ...environment, ...nothingBut(manifest) }, true, []);
  // Vulkan's loader complains on standard error where it finds no driver at all: so that it finds one, the embedded
  // driver is there in the search for the machine's own, and is left out afterwards.
  const names = embedded.map(({ description }) => description.name);
  const own = await findIn({ ...(manifest !== undefined && also(manifest)), ...environment }, false, names);
  const found = [...own, ...embedded].sort((a, b) => rank(a.description) - rank(b.description));
  return {
    found: found.map(({ description, request }, index) => ({ description: { ...description, index }, request })),
    withoutEmbedded: reason,
  };
}

function rank({ kind, embedded }: AdapterDescription): number {
  if (kind === 'hardware') return 0;
  return embedded ? 2 : 1;
}

/** The older name of the variable is for loaders before 1.3.207. */
function nothingBut(manifest: string): Drivers {
  return { VK_DRIVER_FILES: manifest, VK_ICD_FILENAMES: manifest };
}

function also(manifest: string): Drivers {
  const { VK_ADD_DRIVER_FILES: given } = process.env;
  return { VK_ADD_DRIVER_FILES: given ? [given, manifest].join(delimiter) : manifest };
}

async function embeddedManifest(): Promise<{ manifest?: string; reason?: string }> {
  let softwareGpu: typeof import('@alex/software-gpu');
  try {
    softwareGpu = await import('@alex/software-gpu');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    return { reason: '@alex/software-gpu is not installed' };
  }
  const driver = await softwareGpu.embeddedDriver();
  return driver.manifest === undefined ? { reason: driver.reason } : { manifest: driver.manifest };
}

async function findIn(drivers: Drivers, embedded: boolean, except: readonly string[]): Promise<Found[]> {
  const found: Found[] = [];
  for (const name of await namesIn(drivers)) {
    if (except.includes(name)) continue;
    const instance = instanceFor(name);
    const request = () => requestIn(instance, drivers);
    const adapter = await request();
    if (!adapter) continue;
    const { vendor, architecture, description, isFallbackAdapter } = adapter.info;
    const kind = isFallbackAdapter ? 'software' : 'hardware';
    found.push({ description: { index: 0, name, vendor, architecture, driver: description, kind, embedded }, request });
  }
  return found;
}

/** Dawn selects by name only, so of two adapters with one name the first is the only one in reach. */
async function namesIn(drivers: Drivers): Promise<Set<string>> {
  const names = new Set<string>();
  try {
    await requestIn(instanceFor(nobody), drivers);
  } catch (error) {
    const list = error instanceof Error ? error.message : String(error);
    for (const [, from, name] of list.matchAll(/^ \* backend: '(.*?)', name: '(.*)'$/gm)) {
      if (from === backend) names.add(name!);
    }
  }
  return names;
}

function instanceFor(name: string): GPU {
  const instance = create([`backend=${backend}`, `adapter=${name}`, ...toggles]);
  instances.push(instance);
  return instance;
}

/** Drivers are looked for during the call itself: when it returns, the environment is as it was. */
function requestIn(instance: GPU, drivers: Drivers): Promise<GPUAdapter | null> {
  const before = Object.keys(drivers).map((variable) => [variable, process.env[variable]] as const);
  Object.assign(process.env, drivers);
  try {
    return instance.requestAdapter({ powerPreference: 'high-performance' });
  } finally {
    for (const [variable, value] of before) {
      if (value === undefined) delete process.env[variable];
      else process.env[variable] = value;
    }
  }
}
