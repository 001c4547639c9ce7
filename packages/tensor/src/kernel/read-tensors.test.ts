import { afterEach, expect, it } from 'vitest';
import { ShapeError } from '../errors.js';
import { testGpu } from '../testing/values.js';
import {
  bytesToRead,
  createReadback,
  createTensor,
  disposeTensor,
  readTensors,
  type Tensor,
  type Values,
  writeTensor,
} from './tensor.js';

const made: Tensor[] = [];
afterEach(async () => {
  const gpu = await testGpu();
  for (const tensor of made.splice(0)) disposeTensor(gpu, tensor);
});

it('reads tensors larger than the staging pieces, of any type and size, and leaves nothing behind', async () => {
  const gpu = await testGpu();
  const elements = bytesToRead(Infinity) / 4;
  const before = gpu.liveBuffers;
  const written: Values[] = [];
  // Ranges that end within a piece, several in one piece, and one over several pieces.
  for (const [index, count] of [3, elements + 5, 1, elements / 2 + 1, 7].entries()) {
    const values = index % 2 === 0 ? new Uint32Array(count) : new Float32Array(count);
    for (let i = 0; i < count; i++) values[i] = (Math.imul(i + index, 2654435761) >>> 8) & 0xffffff;
    const tensor = createTensor(gpu, `values ${index}`, [count], { dataType: index % 2 === 0 ? 'u32' : 'f32' });
    made.push(tensor);
    writeTensor(gpu, tensor, values);
    written.push(values);
  }
  const read = await readTensors(gpu, made);
  for (const [index, values] of written.entries()) {
    expect(read[index]!.constructor).toBe(values.constructor);
    expect(Buffer.compare(Buffer.from(read[index]!.buffer), Buffer.from(values.buffer))).toBe(0);
  }
  expect(gpu.liveBuffers).toBe(before + made.length);
  expect(await readTensors(gpu, [])).toEqual([]);
});

it("writes only values of the tensor's type", async () => {
  const gpu = await testGpu();
  const floats = createTensor(gpu, 'floats', [2]);
  const words = createTensor(gpu, 'words', [2], { dataType: 'u32' });
  made.push(floats, words);
  const write = (tensor: Tensor, values: unknown) => () => writeTensor(gpu, tensor, values as Values);
  expect(write(floats, [1, 2])).toThrow(/floats: holds f32 values, give a Float32Array; got Array/);
  expect(write(floats, Uint32Array.of(1, 2))).toThrow(/floats: .* got Uint32Array/);
  expect(write(words, Float32Array.of(1, 2))).toThrow(/words: holds u32 values, give a Uint32Array; got Float32Array/);
  expect(write(words, Float32Array.of(1, 2))).toThrow(ShapeError);
});

it('refuses values that were disposed before they were read, and leaves the adapter usable', async () => {
  const gpu = await testGpu();
  const tensor = createTensor(gpu, 'x', [4]);
  made.push(tensor);
  const readback = createReadback(gpu, [tensor]);
  readback.dispose();
  await expect(readback.take(() => undefined)).rejects.toThrow('these values were disposed before they were read');
  await gpu.finished();
  gpu.check();
});
