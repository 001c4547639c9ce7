import { type GPUBuffer, GPUBufferUsage } from '../platform/webgpu.js';
import type { Gpu } from './gpu.js';

/**
 * Submits work that keeps a software driver busy for a moment, and returns the buffer that it writes. Each of the
 * `64 * workgroups` invocations writes its number times `factor`, added up 20,000 times.
 */
export function submitWork(gpu: Gpu, workgroups: number, factor: number): GPUBuffer {
  const { device } = gpu;
  const buffer = gpu.createBuffer({
    label: 'results',
    size: workgroups * 64 * 4,
    usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC,
  });
  const code = `
    @group(0) @binding(0) var<storage, read_write> results: array<u32>;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
      var value = 0u;
      for (var round = 0u; round < 20000u; round++) { value = value * ${factor}u + id.x; }
      results[id.x] = value;
    }`;
  const module = device.createShaderModule({ code });
  const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module } });
  const entries = [{ binding: 0, resource: { buffer } }];
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(workgroups);
  pass.end();
  device.queue.submit([encoder.finish()]);
  return buffer;
}
