import type { Gpu } from '../adapter/gpu.js';
import { ConfigError } from '../errors.js';
import { checkGpu, checkOptions } from '../option-checks.js';
import {
  type GPUBindGroup,
  GPUBufferUsage,
  type GPUCommandEncoder,
  type GPUComputePassEncoder,
  type GPUComputePassTimestampWrites,
  type GPUComputePipeline,
} from '../platform/webgpu.js';
import type { ExchangeEnd } from './exchange.js';
import { type MemoryLayout, type PlanLimits, planMemory } from './plan.js';
import { prepare, scalarTable } from './prepare.js';
import { type DispatchTiming, timed } from './profile.js';
import { createRecording, type Dispatch, isTransfer, type Operation, type Recorder } from './recorder.js';
import { type BufferPlace, segmentsOf } from './segments.js';
import { bufferOf, bytesOf, type Tensor } from './tensor.js';

export type { DispatchTiming } from './profile.js';

export interface RunOptions {
  /** Encodes commands at the end of the last submission: a copy of a result. */
  afterwards?(encoder: GPUCommandEncoder): void;
  /** Called after the first submission. */
  begun?(): void;
  /** How often its dispatches run, one run after the other in a single submission. Default: 1. For timings. */
  readonly times?: number;
  /** Makes the adapter time them. */
  readonly timestampWrites?: GPUComputePassTimestampWrites;
}

/**
 * A flat list of dispatches with everything prepared in advance, run by one submission. A program that runs together
 * with those of other adapters is split into several: after each send, and before received values are used.
 */
export interface Program {
  /**
   * Submits the program. Every scalar that its kernels use must be given.
   *
   * The promise resolves when the work has been submitted, not when it is done: read a tensor, or await
   * `gpu.finished()`.
   */
  run(scalars?: Readonly<Record<string, number>>, options?: RunOptions): Promise<void>;
  /** Runs the program once; the adapter times each dispatch, if it has the feature `timestamp-query`. */
  profile(scalars?: Readonly<Record<string, number>>): Promise<DispatchTiming[]>;
  /** Bytes of planned memory, shared by the programs that were created together, and the least possible. */
  readonly plannedBytes: number;
  readonly leastBytes: number;
  /** Bytes of the largest of its buffers. */
  readonly largestBytes: number;
  /** Bytes of the staging buffers of the program's sends; not part of planned memory. */
  readonly waitingBytes: number;
  readonly dispatchLabels: readonly string[];
  /** What it sends in one run. */
  readonly sent: readonly { readonly label: string; readonly bytes: number }[];
  dispose(): void;
}

/** Records the operations of a program. */
export type RecordDispatches = (recorder: Recorder) => void;

/**
 * Creates one program from what `record` records.
 *
 * @throws ConfigError for what is no adapter, or no function that records
 */
export function createProgram(gpu: Gpu, record: RecordDispatches, end?: ExchangeEnd): Program {
  checkGpu('createProgram', gpu);
  return createPrograms(gpu, { program: record }, end).program;
}

/**
 * Creates several programs that never run at the same time, so that they share memory. Each must be disposed; the
 * memory is freed with the last.
 *
 * @param end the end of the exchange at which they send or receive
 */
export function createPrograms<Records extends { readonly [Name in keyof Records]: RecordDispatches | undefined }>(
  gpu: Gpu,
  records: Records,
  end?: ExchangeEnd,
): { [Name in keyof Records]: Program } {
  const names = Object.keys(records);
  const recordings = (Object.values(records) as RecordDispatches[]).map((record) => recordingOf(gpu, record));
  const layout = planMemory(recordings.flat(), planLimits(gpu));
  return gpu.allOrNothing(() => build(gpu, names, recordings, layout, end)) as { [Name in keyof Records]: Program };
}

/** The memory that programs created together would share; allocates nothing. */
export function planPrograms(gpu: Gpu, records: readonly RecordDispatches[]): PlannedBytes {
  const operations = records.flatMap((record) => recordingOf(gpu, record));
  return plannedBytesOf(operations, planMemory(operations, planLimits(gpu)));
}

/** The figures of a plan. */
export type PlannedBytes = Pick<Program, 'plannedBytes' | 'leastBytes' | 'largestBytes' | 'waitingBytes'>;

function plannedBytesOf(operations: readonly Operation[], { pieceBytes, leastBytes }: MemoryLayout): PlannedBytes {
  return {
    plannedBytes: sumOf(pieceBytes),
    leastBytes,
    largestBytes: Math.max(0, ...pieceBytes),
    waitingBytes: waitingBytesOf(operations),
  };
}

/** Programs that send the same message share its staging buffers. */
function waitingBytesOf(operations: readonly Operation[]): number {
  const messages = new Map<string, number>();
  for (const operation of operations) {
    if (!isTransfer(operation) || operation.direction !== 'send') continue;
    const { label, peer, tensor, part } = operation;
    messages.set(`${label} to ${peer}`, bytesOf({ ...tensor, ...part }));
  }
  return sumOf([...messages.values()]);
}

function planLimits({ limits }: Gpu): PlanLimits {
  return { alignment: limits.minStorageBufferOffsetAlignment, mostBytes: limits.maxBufferSize };
}

function recordingOf(gpu: Gpu, record: RecordDispatches): readonly Operation[] {
  if (typeof record !== 'function') {
    throw new ConfigError(`a program is given as a function that records it, (recorder) => ..., got ${String(record)}`);
  }
  const recording = createRecording(gpu);
  record(recording);
  return recording.operations;
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function build(
  gpu: Gpu,
  names: readonly string[],
  recordings: readonly (readonly Operation[])[],
  layout: MemoryLayout,
  end: ExchangeEnd | undefined,
): Record<string, Program> {
  const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
  const usage = end ? STORAGE | COPY_SRC | COPY_DST : STORAGE | COPY_SRC;
  const pieces = layout.pieceBytes.map((size, index) => gpu.createBuffer({ label: `memory ${index}`, size, usage }));
  let users = names.length;
  const release = () => {
    users--;
    if (users === 0) for (const piece of pieces) gpu.destroyBuffer(piece);
  };
  const placeOf = (tensor: Tensor): BufferPlace => {
    if (tensor.lasting) return { buffer: bufferOf(tensor), offset: 0 };
    const { piece, offset } = layout.places.get(tensor)!;
    return { buffer: pieces[piece]!, offset };
  };
  const bytes = plannedBytesOf(recordings.flat(), layout);
  const programs = names.map((name, index) => {
    const built = buildProgram(gpu, recordings[index]!, placeOf, end, release);
    return [name, { ...built, ...bytes }] as const;
  });
  return Object.fromEntries(programs);
}

interface Step {
  readonly dispatch: Dispatch;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
}

function buildProgram(
  gpu: Gpu,
  operations: readonly Operation[],
  placeOf: (tensor: Tensor) => BufferPlace,
  end: ExchangeEnd | undefined,
  release: () => void,
): Omit<Program, keyof PlannedBytes> {
  const { device } = gpu;
  const segments = segmentsOf(operations, placeOf, end);
  const dispatches = segments.flatMap((segment) => segment.dispatches);
  const scalars = scalarTable(dispatches);
  const scalarWords = new Uint32Array(Math.max(4, Math.ceil(scalars.length / 4) * 4));
  const scalarFloats = new Float32Array(scalarWords.buffer);
  const scalarBuffer =
    scalars.length > 0
      ? gpu.createBuffer({
          label: 'scalars',
          size: scalarWords.byteLength,
          usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
        })
      : undefined;
  const prepared = dispatches.map((dispatch) => prepare(gpu, dispatch, scalars, placeOf, scalarBuffer));
  // All pipelines compile in the background at once, so that creating a program does not wait for the driver. Errors
  // found then, such as a lack of memory, belong to this program only.
  const ready = Promise.all(prepared.map(({ pipeline }) => pipeline)).then((pipelines) =>
    gpu.validated('a program', () =>
      prepared.map(({ dispatch, layout, entries }, index): Step => {
        const bindGroup = device.createBindGroup({ label: dispatch.label, layout, entries });
        return { dispatch, pipeline: pipelines[index]!, bindGroup };
      }),
    ),
  );
  // The caller that runs the program sees the failure; possibly nobody runs it.
  ready.catch(() => undefined);

  const writeScalars = (values: Readonly<Record<string, number>>) => {
    for (const { name, type, index } of scalars) {
      const value = values[name];
      if (value === undefined) throw new ConfigError(`the program needs a value for the scalar ${name}`);
      if (type === 'f32') scalarFloats[index] = value;
      else scalarWords[index] = value;
    }
    if (scalarBuffer) device.queue.writeBuffer(scalarBuffer, 0, scalarWords);
  };
  const encode = (pass: GPUComputePassEncoder, { dispatch, pipeline, bindGroup }: Step) => {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(...dispatch.workgroups);
  };
  /** Submits segment by segment; `encodeSteps` encodes the dispatches of one, numbered from `first`. */
  const submit = async (
    values: Readonly<Record<string, number>>,
    encodeSteps: (encoder: GPUCommandEncoder, steps: readonly Step[], first: number) => void,
    { afterwards, begun }: RunOptions,
    onReceived?: (received: DispatchTiming) => void,
  ) => {
    const steps = await ready;
    writeScalars(values);
    let first = 0;
    for (const [index, segment] of segments.entries()) {
      for (const { message } of segment.sends) await message.free();
      end?.exchange.check();
      const encoder = device.createCommandEncoder();
      const own = steps.slice(first, first + segment.dispatches.length);
      if (own.length > 0) encodeSteps(encoder, own, first);
      first += own.length;
      for (const { message, buffer, offset } of segment.sends) message.encode(encoder, buffer, offset);
      if (index === segments.length - 1) afterwards?.(encoder);
      device.queue.submit([encoder.finish()]);
      for (const { message } of segment.sends) message.sent();
      if (index === 0) begun?.();
      for (const { message, buffer, offset } of segment.receives) {
        const taken = await message.take((bytes, at) => device.queue.writeBuffer(buffer, offset + at, bytes));
        const { label, from, bytes } = message;
        onReceived?.({ label, from, bytes, start: taken.readable, milliseconds: taken.written - taken.readable });
      }
    }
  };

  return {
    dispatchLabels: dispatches.map((dispatch) => dispatch.label),
    sent: segments.flatMap(({ sends }) => sends.map(({ label, message: { bytes } }) => ({ label, bytes }))),
    run(values = {}, options = {}) {
      checkOptions('run', options, ['afterwards', 'begun', 'times', 'timestampWrites']);
      const { times = 1, timestampWrites } = options;
      const inOnePass = (encoder: GPUCommandEncoder, steps: readonly Step[]) => {
        const pass = encoder.beginComputePass(timestampWrites && { timestampWrites });
        for (let time = 0; time < times; time++) for (const step of steps) encode(pass, step);
        pass.end();
      };
      return submit(values, inOnePass, options);
    },
    async profile(values = {}) {
      const received: DispatchTiming[] = [];
      const timings = await timed(gpu, dispatches, (encodePass, afterwards) =>
        submit(
          values,
          (encoder, steps, first) => {
            steps.forEach((step, index) => {
              encodePass(encoder, first + index, (pass) => encode(pass, step));
            });
          },
          { afterwards },
          (message) => received.push(message),
        ),
      );
      return [...timings, ...received];
    },
    dispose() {
      if (scalarBuffer) gpu.destroyBuffer(scalarBuffer);
      release();
    },
  };
}
