import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openGpu } from '../adapter/adapters.js';
import type { Gpu } from '../adapter/gpu.js';
import { AdapterError } from '../errors.js';
import { testGpu } from '../testing.js';
import { compileByDispatch, compileKernels, deal } from './compile-kernels.js';
import { dispatchEmpty } from './empty-dispatch.js';
import { recordPerElement } from './per-element.js';
import { kernelsOf } from './pipelines.js';
import { createProgram, type Program } from './program.js';
import { createTensor, disposeTensor, readTensor, type Tensor } from './tensor.js';

let gpu: Gpu;
let output: Tensor;
let program: Program;

/** Three kernels, with and without scalars. */
function create(body = 'store_y(i, load_x(i) * scalar_factor());'): Program {
  return createProgram(gpu, (recorder) => {
    const x = recorder.tensor('x', [100]);
    const y = recorder.tensor('y', [100]);
    const [elements, factor] = [100, { factor: 'f32' }] as const;
    recordPerElement(recorder, { label: 'first', elements, reads: {}, writes: { x }, body: 'store_x(i, f32(i));' });
    recordPerElement(recorder, { label: 'second', elements, reads: { x }, writes: { y }, scalars: factor, body });
    recordPerElement(recorder, {
      label: 'third',
      elements,
      reads: { x, y },
      writes: { output },
      body: 'store_output(i, load_x(i) + load_y(i));',
    });
  });
}

beforeEach(async () => {
  const { description } = await testGpu();
  // A new adapter, for which nothing was compiled before.
  gpu = await openGpu({ adapter: description.index });
  output = createTensor(gpu, 'output', [100]);
  program = create();
});

afterEach(() => {
  program.dispose();
  disposeTensor(gpu, output);
  expect(gpu.liveBuffers).toBe(0);
  gpu.dispose();
});

async function expectRight(): Promise<void> {
  await program.run({ factor: 2 });
  expect(await readTensor(gpu, output)).toEqual(Float32Array.from({ length: 100 }, (_, i) => 3 * i));
}

describe('compileKernels', () => {
  test('says how many kernels it compiles, each once', async () => {
    const onBegin = vi.fn();
    await compileKernels(gpu, { onBegin, cores: 1 });
    await compileKernels(gpu, { onBegin, cores: 1 });
    expect(onBegin.mock.calls).toEqual([[{ kernels: 3, cores: 1 }]]);
    await expectRight();
  });

  test('leaves errors to the caller that runs the kernel', async () => {
    const wrong = create('store_y(i, nothing);');
    await compileKernels(gpu, { cores: 2 });
    await expect(wrong.run({ factor: 2 })).rejects.toThrow('second');
    wrong.dispose();
    await expectRight();
  });
});

describe('on a driver that compiles at the first dispatch', () => {
  test('other devices compile a part each, and its own device all', async () => {
    const compiled: string[] = [];
    const helpers: Gpu[] = [];
    const valid: Promise<unknown>[] = [];
    const watch = (watched: Gpu) => {
      const { validated } = watched;
      watched.validated = (label, work) => {
        const result = validated.call(watched, label, work) as ReturnType<typeof work> & Promise<never>;
        if (label === 'compiling') valid.push(result);
        return result;
      };
    };
    const kernels = kernelsOf(gpu);
    watch(gpu);
    await compileByDispatch(gpu, kernels, {
      cores: 3,
      patience: async () => undefined,
      async open(options) {
        const helper = await openGpu(options);
        watch(helper);
        const create = helper.device.createComputePipelineAsync.bind(helper.device);
        vi.spyOn(helper.device, 'createComputePipelineAsync').mockImplementation((descriptor) => {
          compiled.push(descriptor.label!);
          return create(descriptor);
        });
        vi.spyOn(helper, 'dispose');
        helpers.push(helper);
        return helper;
      },
    });
    expect(compiled).toHaveLength(2);
    expect(new Set(kernels.map(({ label }) => label))).toEqual(new Set(['first', 'second', 'third']));
    // On two other devices, and on this one before and after.
    expect(valid).toHaveLength(4);
    await expect(Promise.all(valid)).resolves.toBeDefined();
    for (const helper of helpers) expect(helper.dispose).toHaveBeenCalledOnce();
    await expectRight();
  });

  test('helpers are optional', async () => {
    const open = vi.fn().mockRejectedValue(new AdapterError('no more devices'));
    await compileByDispatch(gpu, kernelsOf(gpu), { cores: 2, open, patience: async () => undefined });
    expect(open).toHaveBeenCalledOnce();
    await expectRight();
  });

  test('nobody helps if its own part was found on disk', async () => {
    const open = vi.fn();
    await compileByDispatch(gpu, kernelsOf(gpu), { cores: 2, open, patience: () => new Promise(() => undefined) });
    expect(open).not.toHaveBeenCalled();
    await expectRight();
  });

  test('a lost device has nothing to wait for', async () => {
    const other = await openGpu({ adapter: gpu.description.index });
    const waiting = dispatchEmpty(other, kernelsOf(gpu));
    other.dispose();
    await expect(waiting).resolves.toBeUndefined();
  });
});

describe('deal', () => {
  const kernels = [5, 1, 4, 2, 3].map((length) => ({ code: 'x'.repeat(length) }));
  const lengths = (hands: number) => deal(kernels, hands).map((hand) => hand.map(({ code }) => code.length));

  test('deals the longest first, back and forth', () => {
    expect(lengths(2)).toEqual([
      [5, 2, 1],
      [4, 3],
    ]);
    expect(lengths(1)).toEqual([[5, 4, 3, 2, 1]]);
  });

  test('leaves no share empty unless there is only one kernel', () => {
    expect(lengths(9)).toEqual([[5], [4], [3], [2], [1]]);
    expect(deal([], 3)).toEqual([[]]);
  });
});
