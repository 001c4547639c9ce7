import type { Gpu } from '../adapter/gpu.js';
import { recordElementwise } from './elementwise.js';
import { recordPerElement } from './per-element.js';
import { createProgram, type Program } from './program.js';
import { createTensor, disposeTensor } from './tensor.js';

/** What an adapter can do at best, as kernels written in WGSL see it. */
export interface Roofline {
  /** Multiply-adds per second of the best kernel that stays in registers. */
  readonly multiplyAddsPerSecond: number;
  /** Bytes read plus bytes written a second of a kernel that copies a tensor larger than the caches. */
  readonly copyBytesPerSecond: number;
}

/** What takes an adapter longer at best, and how long: the roofline of a kernel that does so much. */
export function leastTime(
  { multiplyAddsPerSecond, copyBytesPerSecond }: Roofline,
  { multiplyAdds, bytes }: { readonly multiplyAdds: number; readonly bytes: number },
): { readonly milliseconds: number; readonly boundBy: 'multiply-adds' | 'copy' } {
  const products = (1000 * multiplyAdds) / multiplyAddsPerSecond;
  const copies = (1000 * bytes) / copyBytesPerSecond;
  return products > copies
    ? { milliseconds: products, boundBy: 'multiply-adds' }
    : { milliseconds: copies, boundBy: 'copy' };
}

/**
 * Independent sums of an invocation, and multiply-adds that each takes in a row: enough to hide latency, few enough for
 * registers. The best one counts; which that is differs by driver.
 */
const shapes = [
  { sums: 8, unroll: 1 },
  { sums: 24, unroll: 1 },
  { sums: 8, unroll: 8 },
  { sums: 16, unroll: 4 },
  { sums: 32, unroll: 4 },
] as const;
const invocations = 16_384;
const copyElements = 8 * 1024 * 1024;
const shortestTiming = 60;
const repeats = 3;

/** Measures an adapter in about two seconds. Anything else that computes meanwhile lowers the result. */
export async function measureRoofline(gpu: Gpu): Promise<Roofline> {
  let multiplyAddsPerSecond = 0;
  for (const shape of shapes) {
    multiplyAddsPerSecond = Math.max(multiplyAddsPerSecond, await measureMultiplyAdds(gpu, shape));
  }
  return { multiplyAddsPerSecond, copyBytesPerSecond: await measureCopy(gpu) };
}

async function measureMultiplyAdds(gpu: Gpu, { sums, unroll }: (typeof shapes)[number]): Promise<number> {
  const output = createTensor(gpu, 'roofline', [invocations]);
  const indices = Array.from({ length: sums }, (_, index) => index);
  const program = createProgram(gpu, (recorder) =>
    recordPerElement(recorder, {
      label: `roofline/${sums} sums`,
      elements: invocations,
      reads: {},
      writes: { y: output },
      scalars: { rounds: 'u32' },
      // The factor is just below 1 and not known to the compiler, so nothing overflows and nothing is folded.
      body: `
  let step = f32(i) * 1e-9;
  let factor = 0.999 + step;
${indices.map((index) => `  var a${index} = ${index}.0 + step;`).join('\n')}
  for (var round = 0u; round < scalar_rounds(); round++) {
${indices.map((index) => `    a${index} = ${'fma('.repeat(unroll)}a${index}${', factor, step)'.repeat(unroll)};`).join('\n')}
  }
  store_y(i, ${indices.map((index) => `a${index}`).join(' + ')});`,
    }),
  );
  try {
    let rounds = 64;
    let milliseconds = await fastest(gpu, program, { rounds });
    while (milliseconds < shortestTiming && rounds < 2 ** 24) {
      rounds *= 2;
      milliseconds = await fastest(gpu, program, { rounds });
    }
    return (invocations * rounds * sums * unroll) / (milliseconds / 1000);
  } finally {
    program.dispose();
    disposeTensor(gpu, output);
  }
}

async function measureCopy(gpu: Gpu): Promise<number> {
  const [from, to] = ['from', 'to'].map((label) => createTensor(gpu, label, [copyElements]));
  const copies = 4;
  const program = createProgram(gpu, (recorder) => {
    for (let copy = 0; copy < copies; copy++) {
      recordElementwise(recorder, {
        label: 'roofline/copy',
        elements: copyElements,
        reads: { x: from! },
        writes: { y: to! },
        body: 'y = x;',
      });
    }
  });
  try {
    const milliseconds = await fastest(gpu, program, {});
    return (copies * copyElements * 8) / (milliseconds / 1000);
  } finally {
    program.dispose();
    disposeTensor(gpu, from!);
    disposeTensor(gpu, to!);
  }
}

async function fastest(gpu: Gpu, program: Program, scalars: Readonly<Record<string, number>>): Promise<number> {
  let best = Infinity;
  for (let repeat = 0; repeat < repeats; repeat++) {
    await gpu.finished();
    const start = performance.now();
    await program.run(scalars);
    await gpu.finished();
    best = Math.min(best, performance.now() - start);
  }
  return best;
}
