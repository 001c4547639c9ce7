import { writeFile } from 'node:fs/promises';
import { batchIndices, type Dataset } from '@alex/data';
import { AlexError, type DispatchTiming } from '@alex/tensor';
import type { RunConfig } from '@alex/trainer';
import type { Session } from './session.js';

/**
 * Writes a trace of each adapter's work in a step as a file for `chrome://tracing` and https://ui.perfetto.dev.
 *
 * @throws AlexError if the file cannot be written
 */
export async function traceStep(
  session: Session,
  dataset: Dataset,
  config: RunConfig,
  file: string,
): Promise<undefined> {
  const timings = await profileStep(session, dataset, config);
  await writeTrace(file, traceEvents(timings, adapterNames(session)));
}

/** Runs a step twice, the second time with timestamps. The network's state is restored afterwards. */
export async function profileStep(
  { network, augmenter }: Session,
  dataset: Dataset,
  { recipe }: RunConfig,
): Promise<DispatchTiming[]> {
  const before = {
    parameters: await network.parameters(),
    step: network.stepCount,
    optimizerState: await network.optimizerState(),
    layerState: await network.layerState(),
  };
  const { seed } = recipe;
  const { batch, microBatches } = network;
  const images = batchIndices(dataset.train.length, { batch, seed, epoch: 0, position: 0 });
  const { pixels, labels } = await dataset.train.read(images);
  const timings: DispatchTiming[] = [];
  // Drivers compile in the first step.
  for (const timed of [false, true]) {
    for (let micro = 0; micro < microBatches; micro++) {
      await augmenter.run({ pixels, images, training: true, seed, epoch: 0 });
      if (timed) timings.push(...(await network.profile(network.input, labels)));
      else await network.step(network.input, labels);
    }
  }
  network.loadParameters(before.parameters);
  network.loadState(before);
  return timings;
}

export function adapterNames({ gpus }: Session): string[] {
  return gpus.map(({ description }, index) => (gpus.length > 1 ? `${index + 1}: ` : '') + description.name);
}

/** @throws AlexError if the file cannot be written */
export async function writeTrace(file: string, events: readonly object[]): Promise<void> {
  try {
    await writeFile(file, `${JSON.stringify({ traceEvents: events })}\n`);
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
    // What an adapter sends to itself comes back as the sum over all ranks.
    args: { bytes, ...(from !== undefined && { from: from === adapter ? 'all ranks' : adapters[from] }) },
  }));
  return [...names, ...events];
}
