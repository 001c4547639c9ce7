import { writeFile } from 'node:fs/promises';
import { batchIndices, type Dataset } from '@alex/data';
import { AlexError, type DispatchTiming } from '@alex/tensor';
import type { RunConfig } from '@alex/trainer';
import type { Session } from './session.js';

/**
 * Runs a step twice, the second time with timestamps, and writes a trace of each adapter's work as a file for
 * `chrome://tracing` and https://ui.perfetto.dev. The network's state is restored afterwards.
 *
 * @throws AlexError if the file cannot be written
 */
export async function traceStep(
  session: Session,
  dataset: Dataset,
  { recipe }: RunConfig,
  file: string,
): Promise<void> {
  const { network, augmenter, gpus } = session;
  const before = {
    parameters: await network.parameters(),
    step: network.stepCount,
    optimizerState: await network.optimizerState(),
    layerState: await network.layerState(),
  };
  const { batch, seed } = recipe;
  const images = batchIndices(dataset.train.length, { batch, seed, epoch: 0, position: 0 });
  const { pixels, labels } = await dataset.train.read(images);
  await augmenter.run({ pixels, images, training: true, seed, epoch: 0 });
  // Drivers compile in the first step.
  await network.step(network.input, labels);
  const timings = await network.profile(network.input, labels);
  network.loadParameters(before.parameters);
  network.loadState(before);
  const names = gpus.map(({ description }, index) => (gpus.length > 1 ? `${index + 1}: ` : '') + description.name);
  try {
    await writeFile(file, `${JSON.stringify({ traceEvents: traceEvents(timings, names) })}\n`);
  } catch (error) {
    throw new AlexError(`${file}: the trace cannot be written: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Chrome's trace event format: one process per adapter, whose threads are its kernels and the transfers from other
 * adapters.
 */
export function traceEvents(timings: readonly DispatchTiming[], adapters: readonly string[]): object[] {
  const first = Math.min(...timings.map(({ start }) => start));
  const lanes = ['kernels', 'receives'];
  const names = adapters.flatMap((name, pid) => [
    { ph: 'M', name: 'process_name', pid, args: { name } },
    ...lanes.map((lane, tid) => ({ ph: 'M', name: 'thread_name', pid, tid, args: { name: lane } })),
  ]);
  const events = timings.map(({ label, start, milliseconds, bytes, adapter = 0, from }) => ({
    ph: 'X',
    name: label,
    cat: from === undefined ? 'compute' : 'exchange',
    pid: adapter,
    tid: from === undefined ? 0 : 1,
    // Microseconds.
    ts: 1000 * (start - first),
    dur: 1000 * milliseconds,
    args: { bytes, ...(from !== undefined && { from: adapters[from] }) },
  }));
  return [...names, ...events];
}
