import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { AlexError, openGpu } from '@alex/tensor';
import { compareResults, readReport } from './compare.js';
import { environmentOf } from './environment.js';
import { measureStep } from './step.js';
import { formatComparison, formatReport } from './tables.js';

const usage = `Times a training step, layer by layer, beside what the adapter can do at best.

  npm run bench -- [--adapter NAME] [--model VARIANT] [--batch N] [--repeats N] [--json FILE] [--compare FILE]

  --adapter   part of an adapter's name; the best one where it is left out (or ALEX_ADAPTER)
  --model     a variant of @alex/model-alexnet; default: paper
  --batch     images a step; default: 8
  --repeats   steps that are timed, after one that is not; default: 3
  --json      writes { environment, results } to this file
  --compare   prints ratios to an earlier file of this kind`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      adapter: { type: 'string' },
      model: { type: 'string', default: 'paper' },
      batch: { type: 'string', default: '8' },
      repeats: { type: 'string', default: '3' },
      json: { type: 'string' },
      compare: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    return;
  }
  // Read first: a wrong file should not cost a measurement.
  const earlier = values.compare === undefined ? undefined : await readReport(values.compare);
  const adapter = values.adapter ?? process.env['ALEX_ADAPTER'];
  const gpu = await openGpu(adapter === undefined ? {} : { adapter });
  const report = {
    environment: environmentOf(gpu),
    results: await measureStep(gpu, {
      model: values.model,
      batch: Number(values.batch),
      repeats: Number(values.repeats),
    }),
  };
  gpu.dispose();
  console.log(formatReport(report));
  if (earlier) console.log(formatComparison(compareResults(earlier, report)));
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof AlexError || (error instanceof TypeError && 'code' in error))) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
