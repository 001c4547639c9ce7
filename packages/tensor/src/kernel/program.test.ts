import { describe, expect, test } from 'vitest';
import { expectNoLeaks } from '../../../../leaks.base.js';
import { openGpu } from '../adapter/adapters.js';
import type { Gpu } from '../adapter/gpu.js';
import { testGpu } from '../testing.js';
import { recordElementwise } from './elementwise.js';
import { fromHalves, toHalves } from './half.js';
import { recordPerElement } from './per-element.js';
import { createProgram, createPrograms } from './program.js';
import { createTensor, disposeTensor, readTensor, type Tensor, writeTensor } from './tensor.js';

const gpu = await testGpu();
expectNoLeaks(gpu);

function counting(target: Gpu, elements: number): Tensor {
  const tensor = createTensor(target, 'counting', [elements]);
  writeTensor(
    target,
    tensor,
    Float32Array.from({ length: elements }, (_, index) => index),
  );
  return tensor;
}

describe('createProgram', () => {
  test('runs dispatches in order, in place if allowed, with changing scalars', async () => {
    const input = counting(gpu, 1000);
    const output = createTensor(gpu, 'output', [1000]);
    const program = createProgram(gpu, (recorder) => {
      const doubled = recorder.tensor('doubled', [1000]);
      const shifted = recorder.tensor('shifted', [1000], { mayReuse: doubled });
      recordPerElement(recorder, {
        label: 'double',
        elements: 1000,
        reads: { x: input },
        writes: { y: doubled },
        body: 'store_y(i, 2 * load_x(i));',
      });
      recordPerElement(recorder, {
        label: 'shift',
        elements: 1000,
        reads: { x: doubled },
        writes: { y: shifted },
        scalars: { amount: 'f32', times: 'u32' },
        body: 'store_y(i, load_x(i) + scalar_amount() * f32(scalar_times()));',
      });
      recordPerElement(recorder, {
        label: 'out',
        elements: 1000,
        reads: { x: shifted },
        writes: { y: output },
        body: 'store_y(i, load_x(i));',
      });
    });
    expect(program.plannedBytes).toBe(4000);
    for (const amount of [0.5, -3]) {
      await program.run({ amount, times: 3 });
      expect([...(await readTensor(gpu, output))]).toEqual(
        Array.from({ length: 1000 }, (_, index) => 2 * index + 3 * amount),
      );
    }
    await expect(program.run({ amount: 1 })).rejects.toThrow(/needs a value for the scalar times/);
    program.dispose();
    disposeTensor(gpu, input);
    disposeTensor(gpu, output);
  });

  test('programs created together share memory, which is freed with the last of them', async () => {
    const before = gpu.liveBuffers;
    const record = (size: number) => (recorder: Parameters<Parameters<typeof createProgram>[1]>[0]) =>
      recordPerElement(recorder, {
        label: 'fill',
        elements: size,
        reads: {},
        writes: { y: recorder.tensor('y', [size]) },
        body: 'store_y(i, 1);',
      });
    const { large, small } = createPrograms(gpu, { large: record(100), small: record(10) });
    expect(gpu.liveBuffers).toBe(before + 1);
    await large.run();
    large.dispose();
    await small.run();
    expect(gpu.liveBuffers).toBe(before + 1);
    small.dispose();
    expect(gpu.liveBuffers).toBe(before);
  });

  test('WGSL that does not compile is an error that names the kernel', async () => {
    const output = createTensor(gpu, 'output', [1]);
    const program = createProgram(gpu, (recorder) =>
      recordPerElement(recorder, {
        label: 'conv9/forward',
        elements: 1,
        reads: {},
        writes: { y: output },
        body: 'store_y(i, nonsense);',
      }),
    );
    await expect(program.run()).rejects.toThrow(/conv9\/forward.*nonsense/s);
    program.dispose();
    disposeTensor(gpu, output);
  });

  test('more workgroups than an axis allows are refused', () => {
    const output = createTensor(gpu, 'output', [1]);
    expect(() =>
      createProgram(gpu, (recorder) =>
        recorder.dispatch({ label: 'wide', wgsl: '', reads: {}, writes: { y: output }, workgroups: [65_536] }),
      ),
    ).toThrow(/wide: 65536 workgroups/);
    disposeTensor(gpu, output);
  });

  test('a program that cannot be created leaves no buffers behind', () => {
    const before = gpu.liveBuffers;
    const outputs = Array.from({ length: gpu.limits.maxStorageBuffersPerShaderStage + 1 }, (_, index) => `y${index}`);
    expect(() =>
      createProgram(gpu, (recorder) =>
        recordPerElement(recorder, {
          label: 'greedy',
          elements: 1,
          reads: {},
          writes: Object.fromEntries(outputs.map((name) => [name, recorder.tensor(name, [1])])),
          scalars: { value: 'f32' },
          body: outputs.map((name) => `store_${name}(i, scalar_value());`).join('\n'),
        }),
      ),
    ).toThrow(/greedy: needs/);
    expect(gpu.liveBuffers).toBe(before);
  });

  test('timestamps of each dispatch can be read', async ({ skip }) => {
    if (!gpu.features.has('timestamp-query')) return skip('no timestamps');
    const output = createTensor(gpu, 'output', [10_000]);
    const program = createProgram(gpu, (recorder) =>
      recordPerElement(recorder, {
        label: 'fill',
        elements: 10_000,
        reads: {},
        writes: { y: output },
        body: 'store_y(i, 1);',
      }),
    );
    const [timing] = await program.profile();
    expect(timing!.label).toBe('fill');
    expect(timing!.milliseconds).toBeGreaterThanOrEqual(0);
    program.dispose();
    disposeTensor(gpu, output);
  });
});

describe('a tensor larger than a binding', () => {
  test.each([1, 63, 64, 65, 128, 1000])(
    'is bound in parts and reads and writes the same (%i elements, 64 per binding)',
    async (elements) => {
      const narrow = await openGpu({ adapter: gpu.description.index, bindingBytes: 256 });
      const input = counting(narrow, elements);
      const output = createTensor(narrow, 'output', [elements]);
      if (elements > 128) {
        expect(() => createProgram(narrow, (recorder) => reverse(recorder, input, output))).toThrow(
          /bindings.*smaller batch/,
        );
      } else {
        const program = createProgram(narrow, (recorder) => reverse(recorder, input, output));
        await program.run();
        expect([...(await readTensor(narrow, output))]).toEqual(
          Array.from({ length: elements }, (_, index) => elements - 1 - index),
        );
        program.dispose();
      }
      narrow.dispose();
    },
  );
});

function reverse(recorder: Parameters<Parameters<typeof createProgram>[1]>[0], input: Tensor, output: Tensor): void {
  recordPerElement(recorder, {
    label: 'reverse',
    elements: input.elements,
    reads: { x: input },
    writes: { y: output },
    body: `store_y(${input.elements - 1}u - i, load_x(i));`,
  });
}

describe('an elementwise kernel on tensors larger than a binding', () => {
  test.each([64, 65, 128, 1000])('runs part by part, also in place (%i elements, 64 per binding)', async (elements) => {
    const narrow = await openGpu({ adapter: gpu.description.index, bindingBytes: 256 });
    const input = counting(narrow, elements);
    const weights = counting(narrow, 3);
    const output = createTensor(narrow, 'output', [elements]);
    const program = createProgram(narrow, (recorder) => {
      const copy = recorder.tensor('copy', [elements]);
      const scaled = recorder.tensor('scaled', [elements], { mayReuse: copy });
      const copied = { label: 'copy', elements, reads: { x: input }, writes: { y: copy }, body: 'y = x;' };
      recordElementwise(recorder, copied);
      recordElementwise(recorder, {
        label: 'scale',
        elements,
        reads: { x: copy },
        also: { weights },
        writes: { y: scaled },
        body: 'y = x * load_weights(2u) + f32(i);',
      });
      recordElementwise(recorder, { ...copied, reads: { x: scaled }, writes: { y: output } });
    });
    expect(program.dispatchLabels).toHaveLength(3 * Math.ceil(elements / 64));
    // As if each were one dispatch: one buffer, overwritten.
    expect([program.plannedBytes, program.leastBytes]).toEqual([4 * elements, 4 * elements]);
    await program.run();
    expect([...(await readTensor(narrow, output))]).toEqual(Array.from({ length: elements }, (_, i) => 3 * i));
    program.dispose();
    narrow.dispose();
  });
});

describe('f16', () => {
  test.for([1, 2, 3, 7, 64, 65, 1001])(
    'is stored in two bytes and computed in f32 (%i elements)',
    async (elements, { skip }) => {
      if (!gpu.features.has('shader-f16')) return skip('no f16');
      const narrow = await openGpu({ adapter: gpu.description.index, bindingBytes: 1024 });
      const input = createTensor(narrow, 'input', [elements], { dataType: 'f16' });
      const output = createTensor(narrow, 'output', [elements], { dataType: 'f16' });
      const exact = createTensor(narrow, 'exact', [elements]);
      const values = Float32Array.from({ length: elements }, (_, index) => (index - 3) / 3);
      writeTensor(narrow, input, values);
      const program = createProgram(narrow, (recorder) => {
        const middle = recorder.tensor('middle', [elements], { dataType: 'f16' });
        recordElementwise(recorder, {
          label: 'square',
          elements,
          reads: { x: input },
          writes: { y: middle, exact },
          body: 'y = x * x; exact = x * x;',
        });
        recordPerElement(recorder, {
          label: 'copy',
          elements,
          reads: { x: middle },
          writes: { y: output },
          body: 'store_y(i, load_x(i));',
        });
      });
      expect(program.plannedBytes).toBe(4 * Math.ceil(elements / 2));
      await program.run();
      const halves = fromHalves(toHalves(values)).subarray(0, elements);
      const squares = halves.map((value) => value * value);
      expect([...(await readTensor(narrow, exact))]).toEqual([...squares]);
      expect([...(await readTensor(narrow, output))]).toEqual([...fromHalves(toHalves(squares))].slice(0, elements));
      program.dispose();
      narrow.dispose();
    },
  );

  test('is accessed four at a time as well, and too large values become infinite', async ({ skip }) => {
    if (!gpu.features.has('shader-f16')) return skip('no f16');
    const input = createTensor(gpu, 'input', [8], { dataType: 'f16' });
    const output = createTensor(gpu, 'output', [8], { dataType: 'f16' });
    writeTensor(gpu, input, Float32Array.of(1, 2, 3, 4, 5, 60000, -60000, 8));
    const program = createProgram(gpu, (recorder) =>
      recorder.dispatch({
        label: 'double',
        reads: { x: input },
        writes: { y: output },
        vectors: ['x', 'y'],
        workgroups: [1],
        wgsl: `@compute @workgroup_size(2) fn main(@builtin(local_invocation_index) i: u32) {
  store4_y(i, 2 * load4_x(i) + load_x(0u));
}`,
      }),
    );
    await program.run();
    expect([...(await readTensor(gpu, output))]).toEqual([3, 5, 7, 9, 11, Infinity, -Infinity, 17]);
    program.dispose();
    disposeTensor(gpu, input);
    disposeTensor(gpu, output);
  });
});
