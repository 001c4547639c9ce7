import { expect, it } from 'vitest';
import type { Gpu } from '../adapter/gpu.js';
import { testGpu } from '../testing/values.js';
import { kernelText } from './kernel-text.js';
import type { Dispatch } from './recorder.js';
import { createRecording } from './recorder.js';

async function dispatchOf(gpu: Gpu): Promise<Dispatch> {
  const recording = createRecording(gpu);
  const [x, y] = [recording.tensor('x', [100]), recording.tensor('y', [100])];
  return {
    label: 'double',
    reads: { x, old: y },
    writes: { y },
    scalars: { rate: 'f32' },
    wgsl: '@compute @workgroup_size(1) fn main() { store_y(0u, scalar_rate() * load_x(0u) + load_old(0u)); }',
    workgroups: [1],
  };
}

it('is what the driver compiles, with each tensor in a separate binding', async () => {
  const gpu = await testGpu();
  const { text, bindings } = kernelText(gpu, await dispatchOf(gpu));
  expect(bindings).toEqual([
    { names: ['x'], dataType: 'f32', access: 'read', firstElement: 0, elements: 100 },
    { names: ['old', 'y'], dataType: 'f32', access: 'read_write', firstElement: 0, elements: 100 },
  ]);
  expect(text).toContain('fn scalar_rate() -> f32');
  await gpu.validated('the text', () => gpu.device.createShaderModule({ code: text }));
});

it('binds a tensor that is too large for one binding in several', async () => {
  const gpu = await testGpu();
  const small = Object.create(gpu, { bindingBytes: { value: 256 } }) as Gpu;
  const { bindings } = kernelText(small, await dispatchOf(small));
  expect(bindings.map(({ names, firstElement, elements }) => [names[0], firstElement, elements])).toEqual([
    ['x', 0, 64],
    ['x', 64, 36],
    ['old', 0, 64],
    ['old', 64, 36],
  ]);
});

it('requires a subgroup size if subgroups are used and the adapter would choose one', async () => {
  const gpu = await testGpu();
  const pinned = Object.create(gpu, { pinnedSubgroupSize: { value: 32 } }) as Gpu;
  const plain = await dispatchOf(gpu);
  const sharedBy = (invocations: string) => ({
    ...plain,
    wgsl: `var<workgroup> sum: f32;\n${plain.wgsl.replace('workgroup_size(1)', `workgroup_size(${invocations})`)}`,
  });
  expect(kernelText(pinned, sharedBy('96')).text).toContain('@compute @subgroup_size(32) @workgroup_size(96)');
  expect(kernelText(pinned, sharedBy('96')).text).toContain('enable subgroup_size_control;');
  // Drivers refuse a size that does not divide the workgroup's first axis.
  for (const invocations of ['1', '2, 128', '48']) {
    expect(kernelText(pinned, sharedBy(invocations)).text, invocations).not.toContain('subgroup_size');
  }
  for (const text of [kernelText(pinned, plain).text, kernelText(gpu, sharedBy('96')).text]) {
    expect(text).not.toContain('subgroup_size');
  }
});

it('gives a kernel values as they are stored on request', async () => {
  const gpu = await testGpu();
  const recording = createRecording(gpu);
  const x = recording.tensor('x', [100], { dataType: 'f16' });
  const y = recording.tensor('y', [100]);
  const wgsl = '@compute @workgroup_size(1) fn main() { store_y(0u, f32(raw4_x(0u).x)); }';
  const dispatch: Dispatch = { label: 'raw', reads: { x }, writes: { y }, vectors: ['x'], wgsl, workgroups: [1] };
  const { text } = kernelText(gpu, dispatch);
  expect(text).toContain('fn raw4_x(i: u32) -> vec4<f16> {');
  expect(text).not.toContain('raw_y');
});
