import { delimiter } from 'node:path';
import type { AdapterDescription, Found, Search, SearchOptions } from './platform.js';
import { cardAddresses, findTwins, type Twin } from './twins.js';
import type { GPU, GPUAdapter } from './webgpu.js';

/** Where to look for Vulkan drivers: environment variables that are set during the search. */
type Drivers = NonNullable<SearchOptions['environment']>;

/** The interface to the drivers that is native to the platform, so that no adapter appears twice. */
const backend = process.platform === 'darwin' ? 'metal' : process.platform === 'win32' ? 'd3d12' : 'vulkan';

/**
 * How Dawn is set up. The kernels guard their own indices, so the driver need not check them: this doubles the speed on
 * SwiftShader.
 */
const togglesOf = (boundsChecks: boolean) => [
  `enable-dawn-features=${[
    ...(boundsChecks ? [] : ['disable_robustness']),
    // Kernels also write workgroup memory before they read it, so it need not be zeroed at every start.
    'disable_workgroup_init',
    // Dawn hides f16 from NVIDIA's drivers. On that of an H200 (580.159) the tests with f16 passed; kernels for matrix units
    // are checked before they are used (docs/gpu-kernels.md).
    'vulkan_enable_f16_on_nvidia',
    // Matrix units are experimental in Dawn, both in its API and in WGSL.
    'allow_unsafe_apis',
    'expose_wgsl_experimental_features',
  ].join()}`,
  // Browsers round timestamps to a tenth of a millisecond to protect users from spying pages; many kernels take less.
  'disable-dawn-features=timestamp_quantization',
];

/** No adapter has this name. Dawn answers such a request with the names of all adapters. */
const nobody = '(list the adapters)';

/** Objects created by Dawn must not outlive their instance, but Dawn does not tell the garbage collector. */
const instances: GPU[] = [];

/** Creates an instance of Dawn, which searches for adapters as the flags specify. */
type Create = (flags: string[]) => GPU;

/** The machine's own adapters and the embedded one, the best one first. */
export async function findAdapters({ environment = {}, boundsChecks = false }: SearchOptions = {}): Promise<Search> {
  try {
    await loadWebGpu();
  } catch (error) {
    return { found: [], whyNone: withoutWebGpu(firstLine(error)) };
  }
  const { manifest, reason } = await embeddedManifest();
  const embedded =
    manifest === undefined
      ? []
      : await findIn({ ...environment, ...nothingBut(manifest) }, { embedded: true, boundsChecks });
  // Vulkan's loader complains on standard error if it finds no driver at all. So the embedded driver is included in the
  // search for the machine's own, and removed from the result.
  const names = embedded.map(({ description }) => description.name);
  const own = await findIn(
    { ...(manifest !== undefined && also(manifest)), ...environment },
    { embedded: false, except: names, boundsChecks },
  );
  const found = [...own, ...embedded].sort((a, b) => rank(a.description) - rank(b.description));
  return {
    found: found.map(({ description, request }, index) => ({ description: { ...description, index }, request })),
    whyNone: withoutDrivers(reason),
  };
}

/**
 * Loads a library of 20 MB, and only when adapters are searched for: a program that only describes networks does not
 * need it.
 */
async function loadWebGpu(): Promise<Create> {
  // Its declarations would make all of @webgpu/types global; `as string` keeps TypeScript from reading them.
  const { create } = (await import('webgpu' as string)) as { readonly create: Create };
  return create;
}

function firstLine(error: unknown): string {
  const [line] = (error instanceof Error ? error.message : String(error)).split('\n');
  return line!;
}

function rank({ kind, embedded }: AdapterDescription): number {
  if (kind === 'hardware') return 0;
  return embedded ? 2 : 1;
}

/** Loaders before 1.3.207 read the older name of the variable. */
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

async function findIn(
  drivers: Drivers,
  {
    embedded,
    except = [],
    boundsChecks,
  }: { readonly embedded: boolean; readonly except?: readonly string[]; readonly boundsChecks: boolean },
): Promise<Found[]> {
  const found: Found[] = [];
  const names = await listNames(drivers);
  for (const name of new Set(names)) {
    if (except.includes(name)) continue;
    const alike = names.filter((other) => other === name).length;
    const ways: readonly Partial<Twin>[] = alike > 1 ? await waysTo(name, drivers) : [{}];
    for (const { bus, environment } of ways) {
      const instance = await instanceFor(name, boundsChecks);
      const request = () => requestIn(instance, { ...drivers, ...environment });
      const adapter = await request();
      if (!adapter) continue;
      const { vendor, architecture, description, isFallbackAdapter } = adapter.info;
      const kind = isFallbackAdapter ? 'software' : 'hardware';
      const known = { index: 0, name, vendor, architecture, driver: description, kind, embedded } as const;
      const outOfReach = bus === undefined ? alike - 1 : 0;
      found.push({
        description: { ...known, ...(bus !== undefined && { bus }), ...(outOfReach > 0 && { outOfReach }) },
        request,
      });
    }
  }
  return found;
}

/** How to request each adapter of one name; only the first of them if they cannot be distinguished. */
async function waysTo(name: string, drivers: Drivers): Promise<readonly Partial<Twin>[]> {
  // The user has already selected one.
  if (drivers['DRI_PRIME'] !== undefined) return [{}];
  const list = (environment: Drivers) => listNames({ ...drivers, ...environment });
  const twins = await findTwins(name, list, await cardAddresses());
  return twins.length > 0 ? twins : [{}];
}

/** The names of the adapters that drivers show, each as often as there are adapters with that name. */
export async function listNames(drivers: Drivers): Promise<string[]> {
  try {
    await requestIn(await instanceFor(nobody), drivers);
    return [];
  } catch (error) {
    const list = error instanceof Error ? error.message : String(error);
    const adapters = [...list.matchAll(/^ \* backend: '(.*?)', name: '(.*)'$/gm)];
    return adapters.filter(([, from]) => from === backend).map(([, , name]) => name!);
  }
}

async function instanceFor(name: string, boundsChecks = false): Promise<GPU> {
  const create = await loadWebGpu();
  const instance = create([`backend=${backend}`, `adapter=${name}`, ...togglesOf(boundsChecks)]);
  instances.push(instance);
  return instance;
}

/** Drivers are searched for during the call itself, so the environment is restored when it returns. */
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

function withoutWebGpu(reason: string): string {
  return `No adapter: the package "webgpu" cannot be loaded on ${process.platform} ${process.arch} (${reason}).`;
}

/** @param withoutEmbedded why there is no embedded adapter either */
function withoutDrivers(withoutEmbedded: string | undefined): string {
  return [
    'No adapter: this machine has no GPU with a driver that WebGPU can use, and no software driver',
    withoutEmbedded ? ` (${withoutEmbedded})` : '',
    '. Install a driver for the GPU, or compute on the CPU: "npm install @alex/software-gpu" on Linux x64, or on Debian',
    ' "apt-get install mesa-vulkan-drivers libvulkan1" (Debian 12: -t bookworm-backports).',
  ].join('');
}
