import { writeFile } from 'node:fs/promises';
import { AlexError, openGpu } from '@alex/tensor';
import { importTunings, measureRoofline, type Roofline } from '@alex/tensor/kernels';
import { type Arguments, parseArguments, usage } from './arguments.js';
import { compareResults, readReport } from './compare.js';
import { environmentOf } from './environment.js';
import { measureExchange } from './exchange.js';
import { measureHost } from './host.js';
import { measureLayers } from './layers.js';
import { measureLoading } from './loading.js';
import { ask } from './peers/ask.js';
import { measurePeers } from './peers/measure.js';
import type { Report, Result } from './report.js';
import { measureStep } from './step.js';
import { formatComparison, formatReport } from './tables.js';

async function main(): Promise<void> {
  const options = parseArguments(process.argv.slice(2));
  if (options.help) {
    console.log(usage);
    return;
  }
  // Read first, so that a wrong file does not cost a measurement.
  const earlier = options.compare === undefined ? undefined : await readReport(options.compare);
  const report = await measure(options);
  console.log(formatReport(report));
  if (earlier) console.log(`\n${formatComparison(compareResults(earlier, report))}`);
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
}

async function measure(options: Arguments): Promise<Report> {
  const { batch, repeats } = options;
  const adapter = options.adapter ?? process.env['ALEX_ADAPTER'];
  const gpu = await openGpu(adapter === undefined ? {} : { adapter });
  const environment = environmentOf(gpu);
  const { model, precision } = options;
  const results: Result[] = [];
  // First, while nothing else fills the adapter's memory.
  if (options.host) results.push(...(await measureHost(gpu, { model, batch, repeats, precision })));
  const roofline = await measureRoofline(gpu);
  results.unshift(...rooflineResults(environment.adapter, roofline));
  if (options.tunings !== undefined) await importTunings(options.tunings, gpu);
  if (options.step) {
    results.push(...(await measureStep(gpu, { model, batch, repeats, precision }, roofline)));
  }
  if (options.layers) results.push(...(await measureLayers(gpu, { batch, repeats }, roofline, tell)));
  if (options.loading) results.push(...(await measureLoading(gpu, { repeats, data: options.data }, tell)));
  if (options.exchange) {
    const wanted = options.other ?? adapter;
    const other = await openGpu(wanted === undefined ? {} : { adapter: wanted });
    results.push(...(await measureExchange([gpu, other], { model: options.model, batch, repeats }, tell)));
    other.dispose();
  }
  // The other libraries get the adapter for themselves.
  gpu.dispose();
  if (options.peers.length === 0) return { environment, results };
  const peers = await measurePeers({
    libraries: options.peers,
    workloads: options.workloads,
    adapter: environment.adapter,
    repeats,
    ask: (request) => ask(request, { limitMs: options.limitMs }),
    onResult: ({ workload, library, medianMs, failure }) => tell({ name: `${workload} ${library}`, medianMs, failure }),
  });
  return { environment, results, peers };
}

/** Long measurements report their progress. */
function tell({
  name,
  medianMs,
  failure,
}: {
  name: string;
  medianMs: number | null;
  failure?: string | undefined;
}): void {
  console.error(`${name}: ${failure ?? `${medianMs?.toFixed(1)} ms`}`);
}

function rooflineResults(adapter: string, roofline: Roofline): Result[] {
  const best = { adapter, medianMs: 0, fastestMs: 0, slowestMs: 0, rooflineShare: 1 };
  return [
    { ...best, name: 'roofline/multiply-adds', rate: roofline.multiplyAddsPerSecond, unit: 'multiply-adds/s' },
    { ...best, name: 'roofline/copy', rate: roofline.copyBytesPerSecond, unit: 'bytes/s' },
  ];
}

try {
  await main();
} catch (error) {
  if (!(error instanceof AlexError || (error instanceof TypeError && 'code' in error))) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
