import { beforeAll, describe, expect, it } from 'vitest';
import type { Gpu } from '../adapter/gpu.js';
import { testGpu } from '../testing/values.js';
import { recordElementwise } from './elementwise.js';
import { type JoiningRecorder, joinKernels, recordTogether } from './joined-kernels.js';
import { recordPerElement } from './per-element.js';
import { createProgram } from './program.js';
import { createRecording, type Elementwise, type Recorder } from './recorder.js';
import { createTensor, disposeTensor, readTensor, type Tensor, writeTensor } from './tensor.js';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});

/** The adapter, posing as another one. */
function as(kind: 'hardware' | 'software', bindingBytes = gpu.bindingBytes): Gpu {
  return Object.create(gpu, {
    description: { value: { ...gpu.description, kind } },
    bindingBytes: { value: bindingBytes },
  });
}

/** Tensors that count up from 1, of the given lengths. */
async function withTensors(lengths: readonly number[], use: (tensors: Tensor[]) => Promise<void>): Promise<void> {
  const tensors = lengths.map((length, index) => createTensor(gpu, `t${index}`, [length]));
  for (const [index, tensor] of tensors.entries()) {
    writeTensor(
      gpu,
      tensor,
      Float32Array.from({ length: lengths[index]! }, (_, i) => i + 1),
    );
  }
  try {
    await use(tensors);
  } finally {
    for (const tensor of tensors) disposeTensor(gpu, tensor);
  }
}

/** Runs what is recorded, and returns the labels of its dispatches. */
async function run(record: (recorder: JoiningRecorder) => void, scalars = {}): Promise<readonly string[]> {
  const program = createProgram(gpu, (recorder) => {
    const joining = joinKernels(recorder);
    record(joining);
    joining.recordJoined();
  });
  try {
    await program.run(scalars);
    return program.dispatchLabels;
  } finally {
    program.dispose();
  }
}

const read = async (tensor: Tensor) => [...(await readTensor(gpu, tensor))];
const double = (label: string, x: Tensor): Elementwise => ({
  label,
  elements: x.elements,
  updates: { x },
  body: 'x *= 2.0;',
});

describe('kernels of few elements', () => {
  it('are one dispatch, each with its own tensors, scalars and number of elements', async () => {
    await withTensors([70, 3, 64, 65, 1], async ([a, b, c, d, factor]) => {
      const labels = await run(
        (recorder) => {
          recordElementwise(recorder, double('a', a!));
          recordElementwise(recorder, {
            label: 'b',
            elements: 3,
            updates: { x: b! },
            also: { factor: factor! },
            scalars: { rate: 'f32' },
            body: 'x = x * scalar_rate() + load_factor(0u);',
          });
          recordElementwise(recorder, {
            label: 'c',
            elements: 64,
            reads: { x: c! },
            writes: { y: recorder.tensor('y', [64]) },
            body: 'y = x;',
          });
          recordElementwise(recorder, { ...double('d', d!), body: 'x = f32(i);' });
        },
        { rate: 10 },
      );
      expect(labels).toEqual(['a and 3 more']);
      expect(await read(a!)).toEqual(Array.from({ length: 70 }, (_, i) => 2 * (i + 1)));
      expect(await read(b!)).toEqual([11, 21, 31]);
      expect(await read(c!)).toEqual(Array.from({ length: 64 }, (_, i) => i + 1));
      expect(await read(d!)).toEqual(Array.from({ length: 65 }, (_, i) => i));
    });
  });

  it('keep their order if one needs the output of another', async () => {
    await withTensors([5, 5], async ([a, b]) => {
      const labels = await run((recorder) => {
        recordElementwise(recorder, double('first', a!));
        recordElementwise(recorder, {
          label: 'second',
          elements: 5,
          reads: { a: a! },
          writes: { b: b! },
          body: 'b = a;',
        });
        // A separate dispatch that reads the waiting result.
        recorder.dispatch({
          label: 'third',
          reads: { b: b! },
          writes: { a: a! },
          workgroups: [1],
          wgsl: '@compute @workgroup_size(5) fn main(@builtin(local_invocation_index) i: u32) { store_a(i, load_b(i) + 1.0); }',
        });
        recordElementwise(recorder, double('fourth', a!));
      });
      expect(labels).toEqual(['first', 'second', 'third', 'fourth']);
      expect(await read(b!)).toEqual([2, 4, 6, 8, 10]);
      expect(await read(a!)).toEqual([6, 10, 14, 18, 22]);
    });
  });

  it('are more than one dispatch if an adapter binds too few tensors at once, or names mean different things', async () => {
    const most = gpu.limits.maxStorageBuffersPerShaderStage;
    await withTensors(
      Array.from({ length: most + 1 }, () => 2),
      async (tensors) => {
        const labels = await run((recorder) => {
          for (const [index, tensor] of tensors.entries()) recordElementwise(recorder, double(`${index}`, tensor));
        });
        expect(labels).toHaveLength(2);
        for (const tensor of tensors) expect(await read(tensor)).toEqual([2, 4]);
        const scaled = (label: string, x: Tensor, factor: Tensor): Elementwise => ({
          ...double(label, x),
          also: { factor },
          body: 'x *= load_factor(1u);',
        });
        const [a, b, c, d] = tensors as [Tensor, Tensor, Tensor, Tensor];
        await run((recorder) => {
          recordElementwise(recorder, scaled('a', a, b));
          recordElementwise(recorder, scaled('c', c, d));
        });
        expect(await read(a)).toEqual([8, 16]);
      },
    );
  });

  it.each([
    ['software', 16_384],
    ['hardware', 2 ** 20],
  ] as const)('leave large ones alone, which on %s have more than %d elements', (kind, few) => {
    const recording = createRecording(as(kind));
    const joining = joinKernels(recording);
    recordElementwise(joining, double('small', recording.tensor('x', [few])));
    recordElementwise(joining, double('large', recording.tensor('y', [few + 1])));
    const labels = () => recording.operations.map(({ label }) => label);
    expect(labels()).toEqual(['large']);
    joining.recordJoined();
    expect(labels()).toEqual(['large', 'small']);
  });
});

describe('kernels recorded together', () => {
  const copies = (recorder: Recorder, [from, to, alsoTo]: readonly Tensor[], label = '') => {
    recordPerElement(recorder, {
      label: `${label}fours`,
      elements: 25,
      reads: { x: from! },
      writes: { y: to! },
      vectors: ['x', 'y'],
      // Returns early; the others continue.
      body: 'if (i == 3u) { return; } store4_y(i, load4_x(i) * 2.0);',
    });
    recordPerElement(recorder, {
      label: `${label}backwards`,
      elements: 100,
      reads: { x: from! },
      writes: { y: alsoTo! },
      body: 'store_y(i, load_x(99u - i));',
    });
  };

  it('are one dispatch on GPUs, however many elements they have, with loads of one and of four', async () => {
    for (const [kind, labels] of [
      ['hardware', ['fours and 1 more']],
      ['software', ['fours', 'backwards']],
    ] as const) {
      await withTensors([100, 100, 100], async (tensors) => {
        const program = createProgram(gpu, (recorder) => {
          recordTogether({ ...recorder, gpu: as(kind) }, (together) => copies(together, tensors));
        });
        await program.run({});
        expect(program.dispatchLabels).toEqual(labels);
        program.dispose();
        const [, doubled, reversed] = tensors;
        expect(await read(doubled!)).toEqual(
          Array.from({ length: 100 }, (_, i) => (i >= 12 && i < 16 ? i + 1 : 2 * (i + 1))),
        );
        expect(await read(reversed!)).toEqual(Array.from({ length: 100 }, (_, i) => 100 - i));
      });
    }
  });

  it('are not joined if functions access tensors, or a tensor needs too many bindings', () => {
    const alignment = gpu.limits.minStorageBufferOffsetAlignment;
    const labelsOf = (functions: string | undefined, bindingBytes: number) => {
      const recording = createRecording(as('hardware', bindingBytes));
      const tensors = ['a', 'b', 'c'].map((label) => recording.tensor(label, [alignment]));
      recordTogether(recording, (recorder) => {
        for (const tensor of tensors) {
          recordPerElement(recorder, {
            label: tensor.label,
            elements: 100,
            reads: {},
            writes: { tensor },
            ...(functions && { functions }),
            body: 'store_tensor(i, 1.0);',
          });
        }
      });
      return recording.operations.map(({ label }) => label);
    };
    expect(labelsOf(undefined, 2 ** 20)).toEqual(['a and 2 more']);
    expect(labelsOf('fn half(i: u32) -> f32 { return load_tensor(i); }', 2 ** 20)).toEqual(['a', 'b', 'c']);
    // Four bindings each.
    const most = gpu.limits.maxStorageBuffersPerShaderStage;
    expect(labelsOf(undefined, alignment)).toHaveLength(Math.ceil(3 / Math.floor(most / 4)));
  });
});
