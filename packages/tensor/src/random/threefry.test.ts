import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { recordPerElement } from '../kernel/per-element.js';
import { createProgram } from '../kernel/program.js';
import { createTensor, disposeTensor, readTensor, writeTensor } from '../kernel/tensor.js';
import { testGpu } from '../testing.js';
import { normalPairFromBits, streamOf, threefry2x32, threefryWgsl, uniformFromBits } from './threefry.js';

/** Known answers published with Random123 1.09 (kat_vectors, threefry 2x32, 20 rounds): counter, key, result. */
const published = [
  { counter: [0, 0], key: [0, 0], result: [0x6b200159, 0x99ba4efe] },
  { counter: [0xffffffff, 0xffffffff], key: [0xffffffff, 0xffffffff], result: [0x1cb996fc, 0xbb002be7] },
  { counter: [0x243f6a88, 0x85a308d3], key: [0x13198a2e, 0x03707344], result: [0xc4923a9c, 0x483df7a0] },
] as const;

describe('threefry2x32', () => {
  test.each(published)('gives the published answer for counter $counter', ({ counter, key, result }) => {
    expect(threefry2x32(key[0], key[1], counter[0], counter[1])).toEqual([...result]);
  });

  test('WGSL and TypeScript agree, on the published answers and on 1,000 others', async () => {
    const gpu = await testGpu();
    const cases = fc.sample(fc.tuple(...Array.from({ length: 4 }, () => fc.nat(0xffffffff))), 1000);
    cases.unshift(...published.map(({ key, counter }) => [...key, ...counter]));
    const input = createTensor(gpu, 'cases', [cases.length, 4], { dataType: 'u32' });
    const output = createTensor(gpu, 'results', [cases.length, 2], { dataType: 'u32' });
    writeTensor(gpu, input, Uint32Array.from(cases.flat()));
    const program = createProgram(gpu, (recorder) =>
      recordPerElement(recorder, {
        label: 'threefry',
        elements: cases.length,
        reads: { input },
        writes: { output },
        functions: threefryWgsl,
        body: `
  let bits = threefry2x32(
    vec2u(load_input(4u * i), load_input(4u * i + 1u)),
    vec2u(load_input(4u * i + 2u), load_input(4u * i + 3u)));
  store_output(2u * i, bits.x);
  store_output(2u * i + 1u, bits.y);`,
      }),
    );
    await program.run();
    const results = await readTensor(gpu, output);
    expect([...results]).toEqual(cases.flatMap(([k0, k1, c0, c1]) => threefry2x32(k0!, k1!, c0!, c1!)));
    program.dispose();
    for (const tensor of [input, output]) disposeTensor(gpu, tensor);
  });
});

describe('draws', () => {
  test('normal draws have mean 0 and standard deviation 1 within five standard errors, over 100,000 pairs', () => {
    const count = 100_000;
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < count; i++) {
      for (const draw of normalPairFromBits(...threefry2x32(1, streamOf('test'), i, 0))) {
        sum += draw;
        squares += draw * draw;
      }
    }
    const draws = 2 * count;
    expect(Math.abs(sum / draws)).toBeLessThan(5 / Math.sqrt(draws));
    expect(Math.abs(squares / draws - 1)).toBeLessThan(5 * Math.sqrt(2 / draws));
  });

  test('normal draws are finite at the ends of the range', () => {
    for (const bits of [0, 0xffffffff]) {
      for (const other of [0, 0xffffffff]) {
        for (const draw of normalPairFromBits(bits, other)) expect(Number.isFinite(draw)).toBe(true);
      }
    }
  });

  test('uniform draws are in [0, 1)', () => {
    expect(uniformFromBits(0)).toBe(0);
    expect(uniformFromBits(0xffffffff)).toBe(1 - 2 ** -24);
  });

  test('streams of different names differ', () => {
    expect(streamOf('dropout6')).not.toBe(streamOf('dropout7'));
    expect(streamOf('')).toBe(0x811c9dc5);
  });
});
