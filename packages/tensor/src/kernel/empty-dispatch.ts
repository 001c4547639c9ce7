import { platform } from '#platform';
import type { Gpu } from '../adapter/gpu.js';
import { type GPUBuffer, GPUBufferUsage, GPUMapMode } from '../platform/webgpu.js';
import { sleep } from '../sleep.js';
import { bindGroupLayout, compile, type KernelSource } from './pipelines.js';

/**
 * More than the scalars of any network need. The contents of buffers do not matter, because no workgroup runs.
 */
const bindingBytes = 16_384;
const markBytes = 16;

/** How often to ask the adapter whether it is done, and for how long; milliseconds. */
const pause = 100;
const look = 3;

/**
 * Makes a driver compile kernels that it would compile at the first dispatch, by dispatching each over no workgroups. A
 * kernel that does not compile is an error only when it is run.
 */
export async function dispatchEmpty(gpu: Gpu, kernels: readonly KernelSource[]): Promise<void> {
  const { device } = gpu;
  const compiled = await Promise.allSettled(kernels.map((kernel) => compile(gpu, kernel)));
  const buffers: GPUBuffer[] = [];
  const { STORAGE, UNIFORM, INDIRECT, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const create = (size: number, usage: number) => {
    const buffer = device.createBuffer({ label: 'nothing', size, usage });
    buffers.push(buffer);
    return buffer;
  };
  // A dispatch binds no buffer twice, and buffers start as zeros.
  const most = Math.max(0, ...kernels.map(({ types }) => types.length));
  try {
    const mark = await gpu.validated('compiling', () => {
      const bound = Array.from({ length: most }, () => create(bindingBytes, STORAGE | UNIFORM));
      // Counts of 0 that Dawn cannot see: it would print a warning on standard output.
      const counts = create(markBytes, INDIRECT | COPY_SRC);
      const mark = create(markBytes, MAP_READ | COPY_DST);
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      for (const [index, { types }] of kernels.entries()) {
        const outcome = compiled[index]!;
        if (outcome.status === 'rejected') continue;
        const layout = bindGroupLayout(gpu, types);
        const entries = types.map((_, binding) => ({ binding, resource: { buffer: bound[binding]! } }));
        pass.setPipeline(outcome.value);
        pass.setBindGroup(0, device.createBindGroup({ label: 'nothing', layout, entries }));
        pass.dispatchWorkgroupsIndirect(counts, 0);
      }
      pass.end();
      encoder.copyBufferToBuffer(counts, 0, mark, 0, markBytes);
      device.queue.submit([encoder.finish()]);
      return mark;
    });
    await readable(mark);
  } catch {
    // Reported again, by name, when the kernel is run.
  } finally {
    for (const buffer of buffers) buffer.destroy();
  }
}

/**
 * Waits until a buffer can be read; where waiting takes a core away from the compiling driver, sleeping most of the time.
 */
async function readable(buffer: GPUBuffer): Promise<void> {
  if (!platform.pollsWhilePending) return buffer.mapAsync(GPUMapMode.READ);
  for (;;) {
    await sleep(pause);
    let calledOff = false;
    // Ends by itself when the work is done, or when the adapter is lost.
    const ended = buffer.mapAsync(GPUMapMode.READ).then(
      () => true,
      () => !calledOff,
    );
    if (await Promise.race([ended, sleep(look).then(() => false)])) return;
    calledOff = true;
    buffer.unmap();
    await ended;
  }
}
