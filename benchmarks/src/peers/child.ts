import { openGpu } from '@alex/tensor';
import { libraries } from './libraries.js';
import { type Answer, formatAnswer, type Request } from './protocol.js';
import { sampleOf } from './reference.js';

/*
 * One library on one workload, in a separate process: the peers change globals, keep the process alive, and may crash it.
 * `ask` starts it, with the request as its only argument.
 */

/** Enough for anything faster; anything slower runs once. */
const longestMs = 60_000;

async function answer({ library, adapter, workload, repeats }: Request): Promise<Answer> {
  const load = libraries[library];
  if (!load) return { failure: `there is no library ${library}` };
  const gpu = await openGpu({ adapter });
  const prepare = await (await load())(gpu);
  const run = await prepare(workload, repeats + 1);
  const timed = async () => {
    const start = performance.now();
    await run.once();
    return performance.now() - start;
  };
  const firstMs = await timed();
  const milliseconds: number[] = [];
  const start = performance.now();
  do milliseconds.push(await timed());
  while (milliseconds.length < repeats && performance.now() - start < longestMs);
  return { firstMs, milliseconds, sample: sampleOf(workload, await run.outcome()) };
}

const result = await answer(JSON.parse(process.argv[2]!) as Request).catch((error: unknown) => ({
  failure: error instanceof Error ? error.message : String(error),
}));
// Exits only when it has been written, no matter what the library left running.
process.stdout.write(`\n${formatAnswer(result)}\n`, () => process.exit(0));
