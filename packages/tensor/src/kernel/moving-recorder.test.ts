import { beforeAll, describe, expect, it } from 'vitest';
import type { Gpu } from '../adapter/gpu.js';
import { testGpu } from '../testing/values.js';
import { recordElementwise } from './elementwise.js';
import { recordMoving } from './moving-recorder.js';
import { createProgram } from './program.js';
import { createRecording, type Recorder } from './recorder.js';
import { createTensor, disposeTensor, readTensor, type Tensor, writeTensor } from './tensor.js';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});

/** Returns four tensors of 1, 2, 3 and 4 to 8 values after the recorded kernels, and the labels of the dispatches. */
async function run(record: (recorder: Recorder, tensors: Tensor[]) => void) {
  const tensors = [5, 6, 7, 8].map((length) => createTensor(gpu, `t${length}`, [length]));
  for (const tensor of tensors) {
    writeTensor(
      gpu,
      tensor,
      Float32Array.from({ length: tensor.elements }, (_, i) => i + 1),
    );
  }
  const program = createProgram(gpu, (recorder) => recordMoving(recorder, (moving) => record(moving, tensors)));
  await program.run({});
  const labels = program.dispatchLabels;
  const values = await Promise.all(tensors.map(async (tensor) => [...(await readTensor(gpu, tensor))][1]));
  program.dispose();
  for (const tensor of tensors) disposeTensor(gpu, tensor);
  return { labels, values };
}

const scale = (recorder: Recorder, label: string, x: Tensor, factor = 10) =>
  recordElementwise(recorder, { label, elements: x.elements, updates: { x }, body: `x *= f32(${factor});` });

/** A kernel that stays in its place: adds 1 to the second value of a tensor. */
const keeping = (recorder: Recorder, label: string, x: Tensor) =>
  recorder.dispatch({
    label,
    reads: {},
    writes: { x },
    workgroups: [1],
    wgsl: '@compute @workgroup_size(1) fn main() { store_x(1u, load_x(1u) + 1.0); }',
  });

describe('kernels of few elements', () => {
  it('move next to independent ones, earlier or later', async () => {
    const earlier = await run((recorder, [a, b, c]) => {
      scale(recorder, 'a', a!);
      keeping(recorder, 'reads a', a!);
      scale(recorder, 'b', b!);
      keeping(recorder, 'c', c!);
    });
    expect(earlier).toEqual({ labels: ['a and 1 more', 'reads a', 'c'], values: [21, 20, 3, 2] });
    const later = await run((recorder, [a, b]) => {
      scale(recorder, 'a', a!);
      keeping(recorder, 'makes b', b!);
      scale(recorder, 'b', b!);
    });
    expect(later).toEqual({ labels: ['makes b', 'a and 1 more'], values: [20, 30, 2, 2] });
  });

  it('stay if either place is barred, and apart if one needs the other', async () => {
    const barred = await run((recorder, [a, b]) => {
      scale(recorder, 'a', a!);
      keeping(recorder, 'needs a', a!);
      keeping(recorder, 'makes b', b!);
      scale(recorder, 'b', b!);
      scale(recorder, 'b again', b!);
    });
    expect(barred).toEqual({ labels: ['a', 'needs a', 'makes b', 'b', 'b again'], values: [21, 300, 2, 2] });
  });

  it('stay apart if one may overwrite what the other reads', async () => {
    const recording = createRecording(gpu);
    recordMoving(recording, (recorder) => {
      const x = recorder.tensor('x', [8]);
      const [y, z] = [recorder.tensor('y', [8], { mayReuse: x }), recorder.tensor('z', [8])];
      for (const [label, output] of Object.entries({ y, z })) {
        recordElementwise(recorder, { label, elements: 8, reads: { x }, writes: { output }, body: 'output = x;' });
      }
    });
    expect(recording.operations.map(({ label }) => label)).toEqual(['y', 'z']);
  });

  it('wait for values from other adapters', () => {
    const recording = createRecording(gpu);
    recordMoving(recording, (recorder) => {
      const [a, b] = ['a', 'b'].map((label) => recorder.tensor(label, [8])) as [Tensor, Tensor];
      scale(recorder, 'a', a);
      recorder.send({ label: 'sent', peer: 1, tensor: a });
      recorder.receive({ label: 'received', peer: 1, tensor: b });
      scale(recorder, 'b', b);
    });
    expect(recording.operations.map(({ label }) => label)).toEqual(['a', 'sent', 'received', 'b']);
  });
});
