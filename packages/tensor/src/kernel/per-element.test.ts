import { expect, it } from 'vitest';
import { testGpu } from '../testing/values.js';
import { recordPerElement } from './per-element.js';
import { createProgram } from './program.js';
import { createTensor, disposeTensor, readTensor } from './tensor.js';

// Sizes around a workgroup and around the count from which software drivers loop, and enough for all of them.
it.each([1, 63, 64, 65, 16_385, 32_767, 32_769, 299_993])('visits each of %i elements once', async (elements) => {
  const gpu = await testGpu();
  const before = gpu.liveBuffers;
  const visits = createTensor(gpu, 'visits', [elements], { dataType: 'u32' });
  const program = await createProgram(gpu, (recorder) =>
    recordPerElement(recorder, {
      label: 'visit',
      elements,
      reads: {},
      writes: { visits },
      // A body may return early, and may use any name but `i`.
      body: 'let lane = load_visits(i); if (i % 7u == 3u) { return; } store_visits(i, lane + i + 1u);',
    }),
  );
  await program.run({});
  const got = await readTensor(gpu, visits);
  expect(got.length).toBe(elements);
  expect(got.findIndex((value, i) => value !== (i % 7 === 3 ? 0 : i + 1))).toBe(-1);
  program.dispose();
  disposeTensor(gpu, visits);
  expect(gpu.liveBuffers).toBe(before);
});
