import { expect, it } from 'vitest';
import { ConfigError, ShapeError } from '../errors.js';
import { testGpu } from '../testing/values.js';
import { recordElementwise } from './elementwise.js';
import { createRecording } from './recorder.js';

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
