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

it('is what the driver compiles, with each tensor in a binding of its own', async () => {
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
