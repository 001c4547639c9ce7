import { afterEach, describe, expect, it } from 'vitest';
import { AdapterError } from '../errors.js';
import { GPUBufferUsage, GPUMapMode, type GPUShaderModule } from '../platform/webgpu.js';
import { openGpu } from './adapters.js';
import type { Gpu, GpuOptions } from './gpu.js';

const opened: Gpu[] = [];

async function open(options: GpuOptions = {}): Promise<Gpu> {
  const { ALEX_ADAPTER: adapter } = process.env;
  const gpu = await openGpu(adapter ? { ...options, adapter } : options);
  opened.push(gpu);
  return gpu;
}

afterEach(() => {
  for (const gpu of opened.splice(0)) gpu.dispose();
});

const storage = () => GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC;

/** The value that one invocation of `main` writes to `result[0]`. */
async function compute(gpu: Gpu, code: string): Promise<number> {
  const { device } = gpu;
  const result = gpu.createBuffer({ label: 'result', size: 4, usage: storage() });
  const copy = gpu.createBuffer({ label: 'copy', size: 4, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const pipeline = device.createComputePipeline({
    layout: 'auto',
    compute: { module: device.createShaderModule({ code }) },
  });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(
    0,
    device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [{ binding: 0, resource: { buffer: result } }],
    }),
  );
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(result, 0, copy, 0, 4);
  device.queue.submit([encoder.finish()]);
  await copy.mapAsync(GPUMapMode.READ);
  const [value] = new Uint32Array(copy.getMappedRange());
  copy.unmap();
  gpu.destroyBuffer(result);
  gpu.destroyBuffer(copy);
  return value!;
}

function createModule(gpu: Gpu, code: string): GPUShaderModule {
  return gpu.device.createShaderModule({ code });
}

const torn = 'fn main( {';

describe('the limits of an adapter', () => {
  it('are at least those that WebGPU guarantees', async () => {
    const { limits } = await open();
    expect(limits.maxBufferSize).toBeGreaterThanOrEqual(2 ** 28);
    expect(limits.maxStorageBufferBindingSize).toBeGreaterThanOrEqual(2 ** 27);
    expect(limits.maxStorageBuffersPerShaderStage).toBeGreaterThanOrEqual(8);
    expect(limits.maxComputeInvocationsPerWorkgroup).toBeGreaterThanOrEqual(256);
  });

  it('are higher than that if the adapter allows more', async () => {
    const gpu = await open();
    // Both software drivers have this one, and grant it only on request.
    if (gpu.description.kind === 'software') expect(gpu.limits.maxBufferSize).toBeGreaterThanOrEqual(2 ** 30);
  });

  it('include the size of a subgroup as kernels see it', async () => {
    const gpu = await open();
    if (gpu.subgroupSize === undefined) return;
    const seen = await compute(
      gpu,
      `enable subgroups;
       @group(0) @binding(0) var<storage, read_write> result: array<u32>;
       @compute @workgroup_size(64) fn main(@builtin(subgroup_size) size: u32) { result[0] = size; }`,
    );
    expect(gpu.subgroupSize).toBe(seen);
  });

  it('can be lowered', async () => {
    const gpu = await open({ subgroups: false, bindingBytes: 4096 });
    expect(gpu.subgroupSize).toBeUndefined();
    expect(gpu.bindingBytes).toBe(4096);
    const whole = await open({ bindingBytes: 2 ** 50 });
    expect(whole.bindingBytes).toBe(whole.limits.maxStorageBufferBindingSize);
  });
});

describe('an open adapter', () => {
  it('is released when the process ends: one listener while any is open, and none afterwards', async () => {
    const before = process.listeners('exit');
    const globals = Reflect.ownKeys(globalThis);
    const [first, second] = [await open(), await open()];
    expect(process.listenerCount('exit')).toBe(before.length + 1);
    first.dispose();
    expect(process.listenerCount('exit')).toBe(before.length + 1);
    second.dispose();
    second.dispose();
    expect(process.listeners('exit')).toEqual(before);
    expect(Reflect.ownKeys(globalThis)).toEqual(globals);
  });
});

describe('buffers', () => {
  it('count as live, with their bytes, until they are destroyed', async () => {
    const gpu = await open();
    const first = gpu.createBuffer({ label: 'first', size: 256, usage: storage() });
    gpu.createBuffer({ label: 'second', size: 1024, usage: storage() });
    expect([gpu.liveBuffers, gpu.liveBytes]).toEqual([2, 1280]);
    gpu.destroyBuffer(first);
    gpu.destroyBuffer(first);
    expect([gpu.liveBuffers, gpu.liveBytes]).toEqual([1, 1024]);
    gpu.dispose();
    expect([gpu.liveBuffers, gpu.liveBytes]).toEqual([0, 0]);
    expect(() => gpu.createBuffer({ label: 'third', size: 4, usage: storage() })).toThrow(/third.*disposed/);
  });

  it('can be written to before their first use', async () => {
    const gpu = await open();
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    const buffer = gpu.createBuffer({ label: 'filled', size: 8, usage, mappedAtCreation: true });
    new Float32Array(buffer.getMappedRange()).set([1.5, -2]);
    buffer.unmap();
    await buffer.mapAsync(GPUMapMode.READ);
    expect([...new Float32Array(buffer.getMappedRange())]).toEqual([1.5, -2]);
  });

  it('that are larger than the adapter allows are refused by name', async () => {
    const gpu = await open();
    const size = gpu.limits.maxBufferSize + 4;
    const create = () => gpu.createBuffer({ label: 'fc6.weight', size, usage: storage() });
    expect(create).toThrow(AdapterError);
    expect(create).toThrow(new RegExp(`^fc6\\.weight: .*${size} bytes.*${gpu.limits.maxBufferSize} bytes`));
    expect(gpu.liveBuffers).toBe(0);
    await gpu.finished();
  });
});

describe('validated', () => {
  it('returns the result', async () => {
    const gpu = await open();
    expect(await gpu.validated('at once', () => 5)).toBe(5);
    expect(await gpu.validated('later', async () => 6)).toBe(6);
  });

  it("throws the device's validation error, under its label, and only there", async () => {
    const gpu = await open();
    const wrong = gpu.validated('conv1 forward', () => createModule(gpu, torn));
    const right = gpu.validated('conv2 forward', () => createModule(gpu, '@compute @workgroup_size(1) fn main() {}'));
    await expect(wrong).rejects.toThrow(AdapterError);
    await expect(wrong).rejects.toThrow(/^conv1 forward: the adapter ".+" reports: .*expected '\)'/);
    await right;
    await gpu.finished();
  });

  it('destroys the buffers of a failed call, and no others', async () => {
    const gpu = await open();
    const create = (label: string) => gpu.createBuffer({ label, size: 256, usage: storage() });
    create('before');
    const wrong = gpu.validated('wrong', () => {
      create('made of it');
      return createModule(gpu, torn);
    });
    create('meanwhile');
    expect(gpu.liveBuffers).toBe(3);
    await expect(wrong).rejects.toThrow(AdapterError);
    expect(gpu.liveBuffers).toBe(2);
    await gpu.validated('right', () => create('kept'));
    expect(gpu.liveBuffers).toBe(3);
  });

  it('throws the reason why a pipeline cannot be created, under its label', async () => {
    const gpu = await open();
    const wrong = gpu.validated('pool1', () =>
      gpu.device.createComputePipelineAsync({
        layout: 'auto',
        compute: { module: createModule(gpu, '@compute @workgroup_size(100000) fn main() {}') },
      }),
    );
    await expect(wrong).rejects.toThrow(AdapterError);
    await expect(wrong).rejects.toThrow(/^pool1: .*100000/);
  });

  it('passes other errors through unchanged, and leaves no scope open', async () => {
    const gpu = await open();
    const mistake = new TypeError('a mistake');
    const fail = () => {
      throw mistake;
    };
    await expect(gpu.validated('sync', fail)).rejects.toBe(mistake);
    await expect(gpu.validated('async', async () => fail())).rejects.toBe(mistake);
    createModule(gpu, torn);
    await expect(gpu.finished()).rejects.toThrow(AdapterError);
  });
});

describe('finished', () => {
  it('throws an error outside any scope, once', async () => {
    const gpu = await open();
    await gpu.finished();
    createModule(gpu, torn);
    await expect(gpu.finished()).rejects.toThrow(/reports: .*expected '\)'/);
    await gpu.finished();
  });
});

describe('a loss', () => {
  it('is reported with the name of the adapter and the reason, to all callers that wait', async () => {
    const gpu = await open();
    gpu.device.destroy();
    const error = await gpu.lost;
    expect(error).toBeInstanceOf(AdapterError);
    expect(error.message).toContain(`"${gpu.description.name}" was lost (destroyed)`);
    await expect(gpu.finished()).rejects.toBe(error);
    await expect(gpu.validated('conv1', () => createModule(gpu, torn))).rejects.toBe(error);
    gpu.createBuffer({ label: 'after the loss', size: 16, usage: storage() });
    gpu.dispose();
    expect(gpu.liveBuffers).toBe(0);
  });

  it('is reported to callers that were already waiting', async () => {
    const gpu = await open();
    const waiting = gpu.finished();
    gpu.device.destroy();
    await waiting.catch((error: unknown) => expect(error).toBeInstanceOf(AdapterError));
    await expect(gpu.finished()).rejects.toThrow('was lost');
  });

  it('is not the same as dispose', async () => {
    const gpu = await open();
    let told = false;
    void gpu.lost.then(() => {
      told = true;
    });
    gpu.dispose();
    gpu.dispose();
    await gpu.device.lost;
    // All callers that wait for the device have been notified by now.
    await new Promise(setImmediate);
    expect(told).toBe(false);
  });
});
