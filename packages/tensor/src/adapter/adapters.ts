import { platform } from '#platform';
import { AdapterError, ConfigError } from '../errors.js';
import { checkBoolean, checkOptions } from '../option-checks.js';
import type { Found, Search } from '../platform/platform.js';
import type { GPUAdapter, GPUDevice, GPUFeature } from '../platform/webgpu.js';
import { type AdapterDescription, Gpu, type GpuOptions } from './gpu.js';

/** Which adapter to open, and the most of it that may be used. */
export interface OpenOptions extends GpuOptions {
  /**
   * One of: a name or part of a name, in any case (`'llvmpipe'`, `'SwiftShader'`; if several match, the best of them);
   * the index in `listAdapters()`, as a number or in digits; the bus address of a card that shares its name with
   * others. Default: the best adapter of all.
   */
  readonly adapter?: string | number;
  /**
   * Environment variables that are set while the driver is asked for its adapters: for cards of the same name that Alex
   * cannot tell apart (`docs/adapters.md`).
   */
  readonly environment?: Readonly<Record<string, string>>;
  /**
   * If true, the driver keeps every kernel within its tensors: an access beyond them reads or writes a wrong value instead of
   * crashing the process. For authors of kernels. Half as fast on SwiftShader. Default: false, kernels guard their own indices.
   */
  readonly boundsChecks?: boolean;
}

const wantedFeatures = [
  'timestamp-query',
  'subgroups',
  'subgroup-size-control',
  'shader-f16',
  'chromium-experimental-subgroup-matrix',
] as const satisfies readonly GPUFeature[];

/** By default, WebGPU grants only the limits that every adapter has. The kernels need those of this adapter. */
const wantedLimits = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
] as const;

const howToSelect = 'Select one by a part of its name or by its index.';

/** The searches so far, with bounds checks and without. */
const searches = new Map<boolean, Promise<Search>>();

/** Adapters come and go with drivers: one search is enough for a process. */
function adapters(boundsChecks = false): Promise<Search> {
  const search = searches.get(boundsChecks) ?? platform.findAdapters({ boundsChecks });
  searches.set(boundsChecks, search);
  return search;
}

/**
 * The adapters of this machine, best first: hardware, then the machine's software drivers, then the embedded one if
 * `@alex/software-gpu` is installed. Empty if there is none, or if Dawn has no build for this platform.
 */
export async function listAdapters(): Promise<AdapterDescription[]> {
  const { found } = await adapters();
  return found.map(({ description }) => description);
}

/**
 * Opens an adapter. Several adapters can be open at once, and one adapter several times; release each with `dispose()`.
 *
 * Throws a `ConfigError` for an invalid option. Throws an `AdapterError` if the machine has no adapter (the message
 * says what to install), none of that name or index (the message lists those available), or if the adapter provides no
 * device.
 */
export async function openGpu(options: OpenOptions = {}): Promise<Gpu> {
  checkOpenOptions(options);
  const { environment, boundsChecks } = options;
  const { found, whyNone } = await (environment
    ? platform.findAdapters({ environment, boundsChecks })
    : adapters(boundsChecks));
  if (found.length === 0) throw new AdapterError(whyNone);
  const { description, request } = choose(found, options.adapter ?? 0);
  const adapter = await request();
  if (!adapter) throw new AdapterError(`The adapter "${description.name}" is no longer available.`);
  return new Gpu(await requestDevice(adapter, description), description, options, adapter.info);
}

function checkOpenOptions(options: OpenOptions): void {
  checkOptions('openGpu', options, [
    'adapter',
    'environment',
    'boundsChecks',
    'subgroups',
    'bindingBytes',
    'memoryBytes',
  ]);
  const { adapter, subgroups, boundsChecks, ...bytes } = options;
  if (subgroups !== undefined) checkBoolean('openGpu', 'subgroups', subgroups);
  if (boundsChecks !== undefined) checkBoolean('openGpu', 'boundsChecks', boundsChecks);
  if (typeof adapter === 'number' && !(Number.isInteger(adapter) && adapter >= 0)) {
    throw new ConfigError(`adapter: ${adapter} is not an index; indices are 0, 1, 2 ... as in listAdapters().`);
  }
  if (typeof adapter === 'string' && adapter.trim() === '') {
    throw new ConfigError('adapter: the name is empty; omit the option to get the best adapter.');
  }
  for (const name of ['bindingBytes', 'memoryBytes'] as const) {
    const value = bytes[name];
    if (value !== undefined && !(Number.isInteger(value) && value > 0)) {
      throw new ConfigError(`${name}: ${value} is not a positive whole number of bytes.`);
    }
  }
}

function choose(found: readonly Found[], wanted: string | number): Found {
  const chosen = /^\d+$/.test(String(wanted)) ? found[Number(wanted)] : matching(found, String(wanted));
  if (chosen) return chosen;
  const list = found
    .map(({ description: { index, name, bus } }) => `${index}: "${name}"${bus === undefined ? '' : ` at ${bus}`}`)
    .join(', ');
  throw new AdapterError(`There is no adapter "${wanted}". The adapters here: ${list}. ${howToSelect}`);
}

/** An exact name takes precedence: "RTX 4060" is also part of "RTX 4060 Ti". */
function matching(found: readonly Found[], wanted: string): Found | undefined {
  const part = wanted.trim().toLowerCase();
  const name = ({ description }: Found) => description.name.toLowerCase();
  return (
    found.find((entry) => name(entry) === part || entry.description.bus === part) ??
    found.find((entry) => name(entry).includes(part))
  );
}

async function requestDevice(adapter: GPUAdapter, { name }: AdapterDescription): Promise<GPUDevice> {
  try {
    return await adapter.requestDevice({
      label: name,
      requiredFeatures: wantedFeatures.filter((feature) => adapter.features.has(feature)),
      requiredLimits: Object.fromEntries(wantedLimits.map((limit) => [limit, adapter.limits[limit]])),
    });
  } catch (error) {
    throw new AdapterError(`The adapter "${name}" provides no device: ${(error as Error).message}`, { cause: error });
  }
}
