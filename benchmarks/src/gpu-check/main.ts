import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { AlexError } from '@alex/tensor';
import { parseArguments, usage } from './arguments.js';
import { formatCheck } from './check-table.js';
import type { CheckReport, TaskReport } from './findings.js';
import { learningDifference } from './learning-difference.js';
import { planOf } from './plan.js';
import { runParts } from './run-parts.js';

/** Seconds kept for the end: processes take a while to exit. */
const reserve = 10;

/** Returns the exit code. */
async function main(): Promise<number> {
  const options = parseArguments(process.argv.slice(2));
  if (options.help) {
    console.log(usage);
    return 0;
  }
  const out = resolve(options.out);
  await mkdir(out, { recursive: true });
  const cache = await mkdtemp(join(tmpdir(), 'alex-gpu-check-'));
  const start = performance.now();
  const date = new Date().toISOString();
  const tasks: TaskReport[] = [];
  let text = '';
  /** Written after each task, so that an early end leaves all findings so far. */
  const write = async () => {
    const learning = learningDifference(tasks);
    const seconds = (performance.now() - start) / 1000;
    const report: CheckReport = { date, seconds, tasks, ...(learning && { learning }) };
    text = `${formatCheck(report)}\n`;
    await writeFile(join(out, 'gpu-check.json'), `${JSON.stringify(report, undefined, 2)}\n`);
    await writeFile(join(out, 'gpu-check.txt'), text);
  };
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => process.exit(code));
  }
  try {
    await runParts(planOf(options, { out, cache }), {
      seconds: Math.max(1, 60 * options.minutes - reserve),
      out,
      onStart: ({ name }, limitMs) => console.error(`${name} (at most ${Math.round(limitMs / 1000)} s)`),
      onEnd: async (report) => {
        const { outcome, seconds, reason } = report;
        console.error(`  ${outcome} in ${seconds.toFixed(0)} s${reason === undefined ? '' : `: ${reason}`}`);
        tasks.push(report);
        await write();
      },
    });
  } finally {
    await rm(cache, { recursive: true, force: true });
  }
  console.log(`\n${text}`);
  return tasks.every(({ outcome }) => outcome === 'done') ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof AlexError || (error instanceof TypeError && 'code' in error))) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
