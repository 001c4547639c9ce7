import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openGpu } from '../adapter/adapters.js';
import type { Gpu } from '../adapter/gpu.js';
import { GPUBufferUsage, GPUMapMode } from '../platform/webgpu.js';
import { recordElementwise } from './elementwise.js';
import { Exchange } from './exchange.js';
import type { MakeMessage } from './message.js';
import { createProgram, type Program } from './program.js';
import type { Recorder } from './recorder.js';
import { createTensor, disposeTensor, readTensor, type Tensor, writeTensor } from './tensor.js';

let gpus: Gpu[];

beforeAll(async () => {
  const adapter = process.env['ALEX_ADAPTER'];
  gpus = [await openGpu(adapter ? { adapter } : {}), await openGpu(adapter ? { adapter } : {})];
});

afterAll(() => {
  for (const gpu of gpus) gpu.dispose();
});

function scaled(recorder: Recorder, from: Tensor, to: Tensor, factor: number) {
  recordElementwise(recorder, {
    label: 'scale',
    elements: from.elements,
    reads: { x: from },
    writes: { y: to },
    body: `y = x * ${factor.toFixed(1)};`,
  });
}

/** Two programs that send `elements` values to each other again and again, doubled each time. */
async function pingPong(elements: number, turns: number, runs: number, makeMessage?: MakeMessage): Promise<number[][]> {
  const exchange = new Exchange(gpus, makeMessage);
  const made: { gpu: Gpu; program: Program; tensors: Tensor[] }[] = [];
  for (const [self, gpu] of gpus.entries()) {
    const [start, end] = ['start', 'end'].map((label) => createTensor(gpu, label, [elements])) as [Tensor, Tensor];
    writeTensor(
      gpu,
      start,
      Float32Array.from({ length: elements }, (_, index) => self + (index % 5)),
    );
    const program = createProgram(
      gpu,
      (recorder) => {
        let own = start;
        for (let turn = 0; turn < turns; turn++) {
          const twice = recorder.tensor(`${turn} twice`, [elements]);
          scaled(recorder, own, twice, 2);
          recorder.send({ label: `turn ${turn}`, peer: 1 - self, tensor: twice });
          own = recorder.tensor(`${turn} theirs`, [elements]);
          recorder.receive({ label: `turn ${turn}`, peer: 1 - self, tensor: own });
        }
        scaled(recorder, own, end, 1);
      },
      { exchange, self },
    );
    made.push({ gpu, program, tensors: [start, end] });
  }
  try {
    // Not awaited: a run may start while the values of the previous run are still in transit.
    await Promise.all(
      made.map(async ({ program }) => {
        for (let run = 0; run < runs; run++) await program.run();
      }),
    );
    return await Promise.all(made.map(async ({ gpu, tensors }) => [...(await readTensor(gpu, tensors[1]!))]));
  } finally {
    for (const { gpu, program, tensors } of made) {
      program.dispose();
      for (const tensor of tensors) disposeTensor(gpu, tensor);
    }
    exchange.dispose();
    expect(gpus.map((gpu) => gpu.liveBuffers)).toEqual([0, 0]);
  }
}

/** Messages whose values wait as copies in a host queue, as if in transit to another machine. */
function queuedMessages(): { make: MakeMessage; sentBytes: () => number } {
  let total = 0;
  const make: MakeMessage = (ends, allGpus) => {
    const sender = allGpus[ends.from]!;
    const staging = sender.createBuffer({
      label: `${ends.label} queued`,
      size: ends.bytes,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    const queue: ArrayBuffer[] = [];
    let failure: { readonly error: unknown } | undefined;
    let copied: Promise<void> = Promise.resolve();
    let wake: (() => void) | undefined;
    return {
      ...ends,
      // The staging buffer is free as soon as its values are copied: the next run may be sent before this one is
      // received.
      async free() {
        await copied;
        if (failure) throw failure.error;
      },
      encode: (encoder, buffer, offset) => encoder.copyBufferToBuffer(buffer, offset, staging, 0, ends.bytes),
      sent() {
        copied = staging.mapAsync(GPUMapMode.READ).then(() => {
          queue.push(staging.getMappedRange().slice(0));
          staging.unmap();
          total += ends.bytes;
          wake?.();
        });
        copied.catch(() => undefined);
      },
      async take(write) {
        while (!failure && queue.length === 0) await new Promise<void>((resolve) => (wake = resolve));
        if (failure) throw failure.error;
        const readable = performance.now();
        write(queue.shift()!, 0);
        return { readable, written: performance.now() };
      },
      fail(error) {
        failure = { error };
        wake?.();
      },
      dispose: () => sender.destroyBuffer(staging),
    };
  };
  return { make, sentBytes: () => total };
}

describe('programs of two adapters', () => {
  test('exchange values, whatever the transport', async () => {
    const { make, sentBytes } = queuedMessages();
    expect(await pingPong(7, 3, 5, make)).toEqual(await pingPong(7, 3, 5));
    // Seven f32 values from each of two adapters, in three turns of five runs.
    expect(sentBytes()).toBe(7 * 4 * 2 * 3 * 5);
  });

  test('stop waiting if one fails, whatever the transport', async () => {
    const exchange = new Exchange(gpus, queuedMessages().make);
    const message = exchange.message('x', 0, 1, 16);
    const taken = message.take(() => undefined);
    exchange.fail(new Error('over'));
    await expect(taken).rejects.toThrow('over');
    await expect(message.free()).rejects.toThrow('over');
    exchange.dispose();
  });

  test('exchange values, in turn and run after run', async () => {
    const [first, second] = await pingPong(7, 4, 5);
    // After an even number of exchanges each has its own values again.
    expect(first).toEqual([0, 1, 2, 3, 4, 0, 1].map((value) => 16 * value));
    expect(second).toEqual([1, 2, 3, 4, 5, 1, 2].map((value) => 16 * value));
  });

  test('send values larger than a staging buffer in pieces', async () => {
    const elements = 2 ** 21 + 3;
    const [first, second] = await pingPong(elements, 1, 1);
    const wrong = (values: number[], self: number) =>
      values.findIndex((value, index) => value !== 2 * (self + (index % 5)));
    expect([wrong(first!, 1), wrong(second!, 0)]).toEqual([-1, -1]);
  });

  test('may send a part of a tensor that begins and ends at a word', async () => {
    const exchange = new Exchange(gpus);
    const [from, to] = [createTensor(gpus[0]!, 'from', [6]), createTensor(gpus[1]!, 'to', [2])];
    writeTensor(gpus[0]!, from, Float32Array.of(1, 2, 3, 4, 5, 6));
    const programs = [
      createProgram(
        gpus[0]!,
        (recorder) => recorder.send({ label: 'part', peer: 1, tensor: from, part: { first: 3, elements: 2 } }),
        { exchange, self: 0 },
      ),
      createProgram(gpus[1]!, (recorder) => recorder.receive({ label: 'part', peer: 0, tensor: to }), {
        exchange,
        self: 1,
      }),
    ];
    await Promise.all(programs.map((program) => program.run()));
    expect([...(await readTensor(gpus[1]!, to))]).toEqual([4, 5]);
    expect(programs.map(({ sent }) => sent)).toEqual([[{ label: 'part', bytes: 8 }], []]);
    const halves: Tensor = { label: 'halves', shape: [4], elements: 4, dataType: 'f16', lasting: true };
    const refuse = (recorder: Recorder) =>
      recorder.send({ label: 'odd', peer: 1, tensor: halves, part: { first: 1, elements: 2 } });
    expect(() => createProgram(gpus[0]!, refuse, { exchange, self: 0 })).toThrow(/odd: .* must begin and end/);
    for (const program of programs) program.dispose();
    disposeTensor(gpus[0]!, from);
    disposeTensor(gpus[1]!, to);
    exchange.dispose();
  });

  test('are refused if the ends do not match, or if there is only one', () => {
    const exchange = new Exchange(gpus);
    exchange.message('x', 0, 1, 16);
    expect(() => exchange.message('x', 0, 1, 8)).toThrow(/x from 0 to 1: one end is for 16 bytes, the other for 8/);
    exchange.dispose();
    const record = (recorder: Recorder) => recorder.receive({ label: 'x', peer: 1, tensor: recorder.tensor('t', [4]) });
    expect(() => createProgram(gpus[0]!, record)).toThrow(/x: a program alone can neither send nor receive/);
    expect(gpus.map((gpu) => gpu.liveBuffers)).toEqual([0, 0]);
  });

  test('stop waiting if one fails', async () => {
    const exchange = new Exchange(gpus);
    const message = exchange.message('x', 0, 1, 16);
    const taken = message.take(() => undefined);
    exchange.fail(new Error('over'));
    await expect(taken).rejects.toThrow('over');
    await expect(message.free()).rejects.toThrow('over');
    await expect(message.take(() => undefined)).rejects.toThrow('over');
    expect(() => exchange.check()).toThrow('over');
    exchange.dispose();
  });
});
