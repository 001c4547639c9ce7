import { describe, expect, it } from 'vitest';
import type { AdapterDescription, Gpu } from '../adapter/gpu.js';
import { createProgram, type RecordDispatches } from '../kernel/program.js';
import { createRecording, isTransfer } from '../kernel/recorder.js';
import { createTensor, describeTensor, disposeTensor, readTensor, type Tensor, writeTensor } from '../kernel/tensor.js';
import { randomTensor, relativeError, testGpu } from '../testing/values.js';
import { recordRowSums, recordSplitKSum } from './sums.js';

const kinds: readonly AdapterDescription['kind'][] = ['software', 'hardware'];

async function resultOf(
  gpu: Gpu,
  tensors: { readonly output: Tensor },
  record: RecordDispatches,
): Promise<Float32Array> {
  const program = createProgram(gpu, record);
  try {
    await program.run();
    return (await readTensor(gpu, tensors.output)) as Float32Array;
  } finally {
    program.dispose();
    for (const tensor of Object.values(tensors)) disposeTensor(gpu, tensor);
  }
}

describe.each(kinds)('sums of rows, %s', (kind) => {
  /** Every row but the first has a mean of 0, so that adding one row to another would show. */
  async function rowSums(rows: number, columns: number) {
    const gpu = await testGpu({}, kind);
    const { data } = randomTensor([rows, columns], rows + columns);
    for (let column = 0; column < columns; column++) data[column]! += 1;
    const want = new Float64Array(rows);
    for (const [i, value] of data.entries()) want[Math.floor(i / columns)]! += value;
    const tensors = { input: createTensor(gpu, 'input', [rows, columns]), output: createTensor(gpu, 'output', [rows]) };
    writeTensor(gpu, tensors.input, data);
    const got = await resultOf(gpu, tensors, (recorder) =>
      recordRowSums(recorder, { label: 'sums', ...tensors, rows, columns }),
    );
    return { got, want };
  }

  it.each([
    [1, 1],
    [7, 4],
    [3, 127],
    [5, 128],
    [100, 31],
    [6, 513],
    [96, 1000],
    [2, 4 * 4 * 64 + 4],
    // In parts of unequal length: one or a few rows, of a multiple of four and of an odd length.
    [1, 2 ** 18 + 4],
    [3, 100_003],
  ])('%i x %i', async (rows, columns) => {
    const { got, want } = await rowSums(rows, columns);
    expect(relativeError(got, want)).toBeLessThan(1e-6);
  });

  it('gives the same bits each time', async () => {
    const [one, other] = [await rowSums(5, 6007), await rowSums(5, 6007)];
    expect(one.got).toEqual(other.got);
  });
});

describe.each(kinds)('sums of the parts of a product, %s', (kind) => {
  it.each([
    [1, 7],
    [2, 12],
    [3, 1000],
    [4, 64],
    [9, 30],
    [13, 516],
  ])('%i parts of %i', async (splitK, elements) => {
    const gpu = await testGpu({}, kind);
    const pieces = randomTensor([splitK, elements], splitK).data;
    const bias = randomTensor([elements], 100).data;
    const want = Array.from({ length: elements }, (_, i) => {
      let sum = bias[i]!;
      for (let piece = 0; piece < splitK; piece++) sum += pieces[piece * elements + i]!;
      return 2 * sum;
    });
    const tensors = {
      input: createTensor(gpu, 'input', [splitK, elements]),
      bias: createTensor(gpu, 'bias', [elements]),
      output: createTensor(gpu, 'output', [elements]),
    };
    writeTensor(gpu, tensors.input, pieces);
    writeTensor(gpu, tensors.bias, bias);
    const { input, output } = tensors;
    const finish = 'sum += load_bias(i); sum *= 2.0;';
    const got = await resultOf(gpu, tensors, (recorder) =>
      recordSplitKSum(recorder, {
        label: 'sum',
        input,
        output,
        splitK,
        elements,
        finish,
        reads: { bias: tensors.bias },
      }),
    );
    expect(relativeError(got, want)).toBeLessThan(1e-6);
  });
});

it('takes one dispatch on a GPU if there are many rows', async () => {
  const recording = createRecording(await testGpu({}, 'hardware'));
  const [rows, columns] = [96, 55 * 55 * 128];
  const input = describeTensor('input', [rows, columns]);
  recordRowSums(recording, { label: 'sums', input, output: describeTensor('output', [rows]), rows, columns });
  expect(recording.operations).toHaveLength(1);
  const [dispatch] = recording.operations;
  expect(!isTransfer(dispatch!) && dispatch!.workgroups).toEqual([rows, 1]);
});
