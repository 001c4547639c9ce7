import { create, globals } from 'webgpu';
import { AdapterError } from '../errors.js';
import { type AdapterDescription, Gpu, type GpuOptions } from './gpu.js';

// The device's enumerations (GPUBufferUsage, GPUMapMode ...) are globals in WebGPU; in Node somebody must put them there.
Object.assign(globalThis, globals);

const backend = { darwin: 'metal', win32: 'd3d12' }[process.platform as string] ?? 'vulkan';

interface Found {
  readonly instance: GPU;
  readonly manifest: string | undefined;
  readonly description: AdapterDescription;
}

/** Requests. Dawn looks for drivers while `requestAdapter` is called, so the variable is wanted only for that moment. */
function request(instance: GPU, manifest: string | undefined): Promise<GPUAdapter | null> {
  if (manifest === undefined) return instance.requestAdapter();
  const before = process.env['VK_DRIVER_FILES'];
  process.env['VK_DRIVER_FILES'] = manifest;
  try {
    return instance.requestAdapter();
  } finally {
    if (before === undefined) delete process.env['VK_DRIVER_FILES'];
    else process.env['VK_DRIVER_FILES'] = before;
  }
}

// Dawn's instances must outlive everything made from them.
const instances: GPU[] = [];

function instanceFor(name: string): GPU {
  const instance = create([`backend=${backend}`, `adapter=${name}`, 'enable-dawn-features=disable_robustness']);
  instances.push(instance);
  return instance;
}

async function namesOf(manifest: string | undefined): Promise<string[]> {
  try {
    await request(instanceFor('?'), manifest);
    return [];
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return [...text.matchAll(/ \* backend: '(.*)', name: '(.*)'/g)].filter((m) => m[1] === backend).map((m) => m[2]!);
  }
}

async function findIn(manifest: string | undefined): Promise<Found[]> {
  const found: Found[] = [];
  for (const name of await namesOf(manifest)) {
    const instance = instanceFor(name);
    const adapter = await request(instance, manifest);
    if (!adapter) continue;
    const { vendor, architecture, description, isFallbackAdapter } = adapter.info;
    found.push({
      instance,
      manifest,
      description: {
        index: 0,
        name,
        vendor,
        architecture,
        driver: description,
        kind: isFallbackAdapter ? 'software' : 'hardware',
        embedded: manifest !== undefined,
      },
    });
  }
  return found;
}

let all: Promise<Found[]> | undefined;

async function find(): Promise<Found[]> {
  const found = await findIn(undefined);
  const { embeddedDriver } = await import('@alex/software-gpu');
  const { manifest } = await embeddedDriver();
  if (manifest !== undefined) found.push(...(await findIn(manifest)));
  const rank = ({ description }: Found) => (description.kind === 'hardware' ? 0 : description.embedded ? 2 : 1);
  found.sort((a, b) => rank(a) - rank(b));
  return found.map((entry, index) => ({ ...entry, description: { ...entry.description, index } }));
}

/** The adapters of this machine, the best one first. */
export async function listAdapters(): Promise<AdapterDescription[]> {
  all ??= find();
  return (await all).map(({ description }) => description);
}

/** Which adapter to open, and how much of it to use. */
export interface OpenOptions extends GpuOptions {
  /** A part of its name, in any case, or its index in `listAdapters()`; the best one where it is left out. */
  readonly adapter?: string | number;
}

/** Opens an adapter: by name (a part of it, in any case), by index in `listAdapters()`, or else the best one. */
export async function openGpu(options: OpenOptions = {}): Promise<Gpu> {
  all ??= find();
  const found = await all;
  const wanted = options.adapter;
  const chosen =
    typeof wanted === 'string'
      ? found.find(({ description }) => description.name.toLowerCase().includes(wanted.toLowerCase()))
      : found[wanted ?? 0];
  if (!chosen) {
    throw new AdapterError(
      `No adapter "${wanted}". There are: ${found.map(({ description }) => description.name).join('; ') || 'none'}.`,
    );
  }
  const adapter = await request(chosen.instance, chosen.manifest);
  if (!adapter) throw new AdapterError(`The adapter "${chosen.description.name}" has gone.`);
  const limits = [
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
  const device = await adapter.requestDevice({
    label: chosen.description.name,
    requiredFeatures: (['timestamp-query', 'subgroups', 'shader-f16'] as const).filter((name) =>
      adapter.features.has(name),
    ),
    requiredLimits: Object.fromEntries(limits.map((name) => [name, adapter.limits[name]])),
  });
  return new Gpu(device, chosen.description, options);
}
