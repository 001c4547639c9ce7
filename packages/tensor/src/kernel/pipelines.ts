import type { Gpu } from '../adapter/gpu.js';
import {
  type GPUBindGroupLayout,
  type GPUBufferBindingType,
  type GPUComputePipeline,
  type GPUDevice,
  GPUShaderStage,
} from '../platform/webgpu.js';

/** A kernel's text and the types of its bindings. */
export interface KernelSource {
  readonly label: string;
  readonly code: string;
  /** The types of its bindings, in order. */
  readonly types: readonly GPUBufferBindingType[];
}

/** A kernel that is being compiled for an adapter, or already is. */
export interface Kernel extends KernelSource {
  readonly pipeline: Promise<GPUComputePipeline>;
}

/**
 * Compiled objects of an adapter: kernels with the same text share a pipeline, kernels with the same binding types a
 * layout.
 */
interface Cache {
  readonly kernels: Map<string, Kernel>;
  readonly layouts: Map<string, GPUBindGroupLayout>;
}

const caches = new WeakMap<GPUDevice, Cache>();

function cacheOf({ device }: Gpu): Cache {
  let cache = caches.get(device);
  if (!cache) {
    cache = { kernels: new Map(), layouts: new Map() };
    caches.set(device, cache);
  }
  return cache;
}

/** The layout of bindings of these types, in order. */
export function bindGroupLayout(gpu: Gpu, types: readonly GPUBufferBindingType[]): GPUBindGroupLayout {
  const { layouts } = cacheOf(gpu);
  const key = types.join();
  let layout = layouts.get(key);
  if (!layout) {
    layout = gpu.device.createBindGroupLayout({
      entries: types.map((type, binding) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } })),
    });
    layouts.set(key, layout);
  }
  return layout;
}

/** Compiles a kernel in the background, or returns an earlier kernel with the same text. */
export function compile(gpu: Gpu, source: KernelSource): Promise<GPUComputePipeline> {
  const { kernels } = cacheOf(gpu);
  const { label, code, types } = source;
  let kernel = kernels.get(code);
  if (!kernel) {
    const { device } = gpu;
    const pipeline = gpu.validated(label, () =>
      device.createComputePipelineAsync({
        label,
        layout: device.createPipelineLayout({ bindGroupLayouts: [bindGroupLayout(gpu, types)] }),
        compute: { module: device.createShaderModule({ label, code }), entryPoint: 'main' },
      }),
    );
    kernel = { label, code, types, pipeline };
    kernels.set(code, kernel);
  }
  return kernel.pipeline;
}

/** All kernels created for an adapter so far. */
export function kernelsOf(gpu: Gpu): Kernel[] {
  return [...cacheOf(gpu).kernels.values()];
}
