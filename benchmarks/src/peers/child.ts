import { openGpu } from '@alex/tensor';
import { libraries } from './libraries.js';
import { type Answer, formatAnswer, type Request } from './protocol.js';
import { sampleOf } from './reference.js';

/*
 * One library at one workload, in a process of its own: the peers change globals, keep the process alive, and may take it
 * down. `ask` starts it, with the request as its only argument.
 */

/** Enough for anything that takes less; what takes longer runs once. */
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
// Ends only when it is written, and whatever the library left running.
process.stdout.write(`\n${formatAnswer(result)}\n`, () => process.exit(0));
