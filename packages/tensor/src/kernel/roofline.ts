import type { Gpu } from '../adapter/gpu.js';
import { checkGpu } from '../option-checks.js';
import { recordElementwise } from './elementwise.js';
import { recordPerElement } from './per-element.js';
import { createProgram } from './program.js';
import { createTensor, disposeTensor } from './tensor.js';
import { type Repeated, repeatedRuns, untilLongEnoughOn } from './timing.js';

/** The peak performance of an adapter, for kernels written in WGSL. */
export interface Roofline {
  /** Multiply-adds per second of the best kernel that stays in registers. */
  readonly multiplyAddsPerSecond: number;
  /** Bytes read plus bytes written per second by a kernel that copies a tensor larger than the caches. */
  readonly copyBytesPerSecond: number;
}

/** The roofline of a kernel: the least possible time, and whether multiply-adds or copies bound it. */
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
 * Independent sums per invocation, and consecutive multiply-adds of each: enough to hide latency, few enough for
 * registers. The best shape counts; which one it is depends on the driver.
 */
const shapes = [
  { sums: 8, unroll: 1 },
  { sums: 24, unroll: 1 },
  { sums: 8, unroll: 8 },
  { sums: 16, unroll: 4 },
  { sums: 32, unroll: 4 },
] as const;
/**
 * The amount of work. A card needs enough invocations for all its multiprocessors, and copies that dwarf its caches. It
 * is timed by its own timestamps, so a few milliseconds are enough.
 */
const sizes = {
  software: { invocations: 2 ** 14, copyElements: 2 ** 23, shortestTiming: 60 },
  hardware: { invocations: 2 ** 21, copyElements: 2 ** 26, shortestTiming: 15 },
} as const;
const fewestRounds = 64;
const repeats = 3;

/**
 * Measures an adapter in about two seconds. Other work on the machine lowers the result.
 *
 * @throws ConfigError for what is no adapter
 */
export async function measureRoofline(gpu: Gpu): Promise<Roofline> {
  checkGpu('measureRoofline', gpu);
  let multiplyAddsPerSecond = 0;
  for (const shape of shapes) {
    multiplyAddsPerSecond = Math.max(multiplyAddsPerSecond, await measureMultiplyAdds(gpu, shape));
  }
  return { multiplyAddsPerSecond, copyBytesPerSecond: await measureCopy(gpu) };
}

async function measureMultiplyAdds(gpu: Gpu, { sums, unroll }: (typeof shapes)[number]): Promise<number> {
  const invocations = fitting(gpu, 1, sizes[gpu.description.kind].invocations);
  const output = createTensor(gpu, 'roofline', [invocations]);
  const indices = Array.from({ length: sums }, (_, index) => index);
  const program = createProgram(gpu, (recorder) =>
    recordPerElement(recorder, {
      label: `roofline/${sums} sums`,
      elements: invocations,
      reads: {},
      writes: { y: output },
      scalars: { rounds: 'u32' },
      // The factor is just below 1 and unknown to the compiler, so nothing overflows and nothing is folded.
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
    const secondsOfRound = await fastest(gpu, (times) =>
      repeatedRuns(gpu, program, { rounds: fewestRounds * times })(1),
    );
    return (invocations * fewestRounds * sums * unroll) / secondsOfRound;
  } finally {
    program.dispose();
    disposeTensor(gpu, output);
  }
}

async function measureCopy(gpu: Gpu): Promise<number> {
  const copyElements = fitting(gpu, 2, sizes[gpu.description.kind].copyElements);
  const [from, to] = ['from', 'to'].map((label) => createTensor(gpu, label, [copyElements]));
  const program = createProgram(gpu, (recorder) => {
    recordElementwise(recorder, {
      label: 'roofline/copy',
      elements: copyElements,
      reads: { x: from! },
      writes: { y: to! },
      body: 'y = x;',
    });
  });
  try {
    return (copyElements * 8) / (await fastest(gpu, repeatedRuns(gpu, program, {})));
  } finally {
    program.dispose();
    disposeTensor(gpu, from!);
    disposeTensor(gpu, to!);
  }
}

/** The wanted number of elements per tensor, halved until all tensors fit half of the adapter's free memory. */
function fitting({ limits, memoryBytes, liveBytes }: Gpu, tensors: number, wanted: number): number {
  const most = Math.min(limits.maxBufferSize, (memoryBytes - liveBytes) / 2 / tensors);
  let elements = wanted;
  while (4 * elements > most && elements > 4) elements /= 2;
  return elements;
}

/** The best time in seconds, repeated often enough for a reliable timing. */
async function fastest(gpu: Gpu, run: Repeated): Promise<number> {
  // Some drivers compile in the first run.
  await run(1);
  const { times, milliseconds } = await untilLongEnoughOn(gpu, run, sizes[gpu.description.kind].shortestTiming);
  let best = milliseconds;
  for (let repeat = 1; repeat < repeats; repeat++) best = Math.min(best, await run(times));
  return best / 1000 / times;
}
