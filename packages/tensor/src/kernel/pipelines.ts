import type { Gpu } from '../adapter/gpu.js';
import {
  type GPUBindGroupLayout,
  type GPUBufferBindingType,
  type GPUComputePipeline,
  type GPUDevice,
  GPUShaderStage,
} from '../adapter/webgpu.js';

/** What was compiled for an adapter: kernels of one text share a pipeline, kernels of like bindings a layout. */
interface Cache {
  readonly pipelines: Map<string, Promise<GPUComputePipeline>>;
  readonly layouts: Map<string, GPUBindGroupLayout>;
}

const caches = new WeakMap<GPUDevice, Cache>();

function cacheOf({ device }: Gpu): Cache {
  let cache = caches.get(device);
  if (!cache) {
    cache = { pipelines: new Map(), layouts: new Map() };
    caches.set(device, cache);
  }
  return cache;
}

/** The layout of bindings of these types, in their order. */
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

/** Compiles a kernel in the background, or gives what was compiled of the same text before. */
export function compile(
  gpu: Gpu,
  label: string,
  code: string,
  layout: GPUBindGroupLayout,
): Promise<GPUComputePipeline> {
  const { pipelines } = cacheOf(gpu);
  let pipeline = pipelines.get(code);
  if (!pipeline) {
    const { device } = gpu;
    pipeline = gpu.validated(label, () =>
      device.createComputePipelineAsync({
        label,
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module: device.createShaderModule({ label, code }), entryPoint: 'main' },
      }),
    );
    pipelines.set(code, pipeline);
  }
  return pipeline;
}
