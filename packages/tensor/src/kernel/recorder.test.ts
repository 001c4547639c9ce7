import { expect, it } from 'vitest';
import { openGpu } from '../adapter/adapters.js';
import { AlexError, ConfigError, ShapeError } from '../errors.js';
import { testGpu } from '../testing/values.js';
import { recordElementwise } from './elementwise.js';
import { recordPerElement } from './per-element.js';
import { createProgram } from './program.js';
import { createRecording } from './recorder.js';
import { createTensor, disposeTensor, readTensor, writeTensor } from './tensor.js';

it.each([4_000_000, 16, 5])('refuses an elementwise kernel of %i elements over tensors of 8', async (elements) => {
  const recording = createRecording(await testGpu());
  const [x, y] = [recording.tensor('x', [8]), recording.tensor('y', [8])];
  const record = () =>
    recordElementwise(recording, { label: 'oob', elements, reads: { x }, writes: { y }, body: 'y = x;' });
  expect(record).toThrow(ShapeError);
  expect(record).toThrow(`oob: x has 8 elements, but the kernel is for ${elements}`);
  expect(recording.operations).toEqual([]);
});

it.each(['my-x', '2x', 'x y', ''])('refuses the name %j, which WGSL does not allow', async (name) => {
  const recording = createRecording(await testGpu());
  const x = recording.tensor('x', [8]);
  const dispatch = { label: 'odd', workgroups: [1] as const, wgsl: '' };
  expect(() => recording.dispatch({ ...dispatch, reads: { [name]: x }, writes: {} })).toThrow(ConfigError);
  expect(() => recording.dispatch({ ...dispatch, reads: {}, writes: {}, scalars: { [name]: 'f32' } })).toThrow(
    `odd: ${name} is not a valid name in WGSL`,
  );
});

it.each<[string, object, RegExp]>([
  [
    'a name that WGSL keeps for itself',
    { reads: { for: 'x' } },
    /odd: for is not a valid name in WGSL; use letters, digits and underscores/,
  ],
  ['a reserved word', { reads: { target: 'x' } }, /odd: target is not a valid name/],
  ['the name of the element itself', { reads: { i: 'x' } }, /odd: i is not a valid name/],
  ['no tensor', { reads: { x: undefined } }, /odd: x must be a tensor, got undefined/],
  ['no body', { body: undefined }, /odd: body must be WGSL that assigns the outputs, got undefined/],
  ['a misspelt option', { raeds: {} }, /odd: unknown option 'raeds'; known: label, /],
  ['a body that does not assign its output', { body: 'x = 1.0;' }, /odd: body never assigns its output y; add y/],
  ['no outputs', { writes: {} }, /odd: has no outputs; name them in writes or updates/],
])('refuses an elementwise kernel of %s', async (_, options, message) => {
  const recording = createRecording(await testGpu());
  const [x, y] = [recording.tensor('x', [8]), recording.tensor('y', [8])];
  const given = { label: 'odd', elements: 8, reads: { x }, writes: { y }, body: 'y = x;', ...options };
  // `x` stands for the tensor in the table above.
  const reads = Object.fromEntries(
    Object.entries(given.reads).map(([name, one]) => [name, (one as unknown) === 'x' ? x : one]),
  );
  const record = () => recordElementwise(recording, { ...given, reads } as Parameters<typeof recordElementwise>[1]);
  expect(record).toThrow(message);
  expect(record).toThrow(AlexError);
  expect(recording.operations).toEqual([]);
});

it('refuses a kernel that never stores its output', async () => {
  const recording = createRecording(await testGpu());
  const [x, y] = [recording.tensor('x', [8]), recording.tensor('y', [8])];
  const record = (body: string) => () =>
    recordPerElement(recording, { label: 'odd', elements: 8, reads: { x }, writes: { y }, body });
  const message = 'odd: the kernel never stores y, which it writes; call store_y(i, value)';
  expect(record('let value = load_x(i);')).toThrow(message);
  expect(record('store_yes(i, load_x(i));')).toThrow(message);
  expect(recording.operations).toEqual([]);
  expect(record('store_y(i, load_x(i));')).not.toThrow();
});

it('reports an error once in a text that is compiled four times', async () => {
  const gpu = await testGpu();
  const [x, y] = [createTensor(gpu, 'x', [8]), createTensor(gpu, 'y', [8])];
  try {
    const program = createProgram(gpu, (recorder) =>
      recordElementwise(recorder, { label: 'odd', elements: 8, reads: { x }, writes: { y }, body: 'y = x + ;' }),
    );
    const error = await program.run().then(
      () => undefined,
      (reason: Error) => reason,
    );
    expect(error?.message).toMatch(/^odd: the adapter .* reports: /);
    expect(error!.message.match(/y = x \+ ;/g)).toHaveLength(1);
    program.dispose();
  } finally {
    for (const tensor of [x, y]) disposeTensor(gpu, tensor);
  }
});

it('keeps a kernel within its tensors if the adapter was opened with bounds checks', async () => {
  const gpu = await openGpu({ adapter: (await testGpu()).description.index, boundsChecks: true });
  try {
    const [x, y] = [createTensor(gpu, 'x', [8]), createTensor(gpu, 'y', [8])];
    const values = Float32Array.from({ length: 8 }, (_, i) => i + 1);
    writeTensor(gpu, x, values);
    const program = createProgram(gpu, (recorder) =>
      recordPerElement(recorder, {
        label: 'beyond',
        // Without the checks, this crashes the process.
        elements: 4_000_000,
        reads: { x },
        writes: { y },
        body: 'if (i < 8u || i > 3999000u) { store_y(i, load_x(i)); }',
      }),
    );
    await program.run();
    await gpu.finished();
    expect((await readTensor(gpu, y)).slice(0, 7)).toEqual(values.slice(0, 7));
  } finally {
    gpu.dispose();
  }
});
