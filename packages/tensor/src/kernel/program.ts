import type { Gpu } from '../adapter/gpu.js';
import {
  type GPUBindGroup,
  type GPUBindGroupEntry,
  type GPUBindGroupLayout,
  type GPUBuffer,
  type GPUBufferBindingType,
  GPUBufferUsage,
  type GPUCommandEncoder,
  type GPUComputePassEncoder,
  type GPUComputePipeline,
  type GPUDevice,
  GPUShaderStage,
} from '../adapter/webgpu.js';
import { ConfigError } from '../errors.js';
import type { ExchangeEnd, Message } from './exchange.js';
import { type MemoryLayout, type PlanLimits, planMemory } from './plan.js';
import {
  createRecording,
  type Dispatch,
  isTransfer,
  type Operation,
  type Recorder,
  type ScalarType,
  type Transfer,
} from './recorder.js';
import { createStopwatch, hostClock } from './stopwatch.js';
import { bufferOf, bytesOf, bytesPerBinding, bytesPerElement, type Tensor } from './tensor.js';
import { type Memory, moduleText, type Operand, type ScalarSlot } from './wgsl.js';

/** How long a dispatch took, and the bytes of the tensors that it reads and writes, each counted once. */
export interface DispatchTiming {
  readonly label: string;
  /** When it began, by the clock of `performance.now()`. */
  readonly start: number;
  readonly milliseconds: number;
  readonly bytes: number;
  /** The number of the adapter, where there are several: of the one that receives, where values go from one to another. */
  readonly adapter?: number;
  /** The number of the adapter that sent, where it is no dispatch but the host handing on what came from there. */
  readonly from?: number;
}

export interface RunOptions {
  /** Adds to the last submission: a copy of a result. */
  afterwards?(encoder: GPUCommandEncoder): void;
  /** Called after the first submission. */
  begun?(): void;
}

/**
 * A flat list of dispatches with everything made up front, run by one submission. Where it is one of several adapters'
 * programs, which all run at once, it is cut into several: after what it sends, and before what it receives is used.
 */
export interface Program {
  /**
   * Submits the program. Every scalar that its kernels use must be given.
   *
   * The promise ends when the work is handed to the adapter, not when it is done: read a tensor, or `gpu.finished()`.
   */
  run(scalars?: Readonly<Record<string, number>>, options?: RunOptions): Promise<void>;
  /** Runs the program once, each dispatch timed by the adapter, where it has the feature `timestamp-query`. */
  profile(scalars?: Readonly<Record<string, number>>): Promise<DispatchTiming[]>;
  /** Bytes of planned memory, shared by the programs that were made together, and the least that could do. */
  readonly plannedBytes: number;
  readonly leastBytes: number;
  /** Bytes of the largest buffer of it. */
  readonly largestBytes: number;
  /** Bytes of the buffers in which what the programs send waits to be taken; not of planned memory. */
  readonly waitingBytes: number;
  readonly dispatchLabels: readonly string[];
  /** What it sends in one run. */
  readonly sent: readonly { readonly label: string; readonly bytes: number }[];
  dispose(): void;
}

/** Takes down what a program does. */
export type RecordDispatches = (recorder: Recorder) => void;

/** Makes one program from what `record` records. */
export function createProgram(gpu: Gpu, record: RecordDispatches, end?: ExchangeEnd): Program {
  return createPrograms(gpu, { program: record }, end).program;
}

/**
 * Makes several programs that never run at the same time, so that they share memory. Each must be disposed; the memory
 * goes with the last.
 *
 * @param end where they send or receive
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

/** The memory that programs made together would share; makes nothing on the adapter. */
export function planPrograms(gpu: Gpu, records: readonly RecordDispatches[]): PlannedBytes {
  const operations = records.flatMap((record) => recordingOf(gpu, record));
  return plannedBytesOf(operations, planMemory(operations, planLimits(gpu)));
}

/** What is said of a plan. */
export type PlannedBytes = Pick<Program, 'plannedBytes' | 'leastBytes' | 'largestBytes' | 'waitingBytes'>;

function plannedBytesOf(operations: readonly Operation[], { pieceBytes, leastBytes }: MemoryLayout): PlannedBytes {
  return {
    plannedBytes: sumOf(pieceBytes),
    leastBytes,
    largestBytes: Math.max(0, ...pieceBytes),
    waitingBytes: waitingBytesOf(operations),
  };
}

/** Programs that send the same message have one place for it to wait. */
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

/** Where the memory of a tensor begins. */
interface BufferPlace {
  readonly buffer: GPUBuffer;
  readonly offset: number;
}

interface Step {
  readonly dispatch: Dispatch;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
}

/** A message, and where its values come from or go to. */
interface End extends BufferPlace {
  readonly label: string;
  readonly message: Message;
}

/** What one submission does: dispatches, then copies of what is sent. What is received is awaited before the next one. */
interface Segment {
  readonly dispatches: Dispatch[];
  readonly sends: End[];
  readonly receives: End[];
}

function segmentsOf(
  operations: readonly Operation[],
  placeOf: (tensor: Tensor) => BufferPlace,
  end: ExchangeEnd | undefined,
): Segment[] {
  const segments: Segment[] = [];
  const add = (kind: keyof Segment, operation: Dispatch | End) => {
    const last = segments.at(-1);
    const fits =
      last && (kind === 'receives' || (last.receives.length === 0 && (kind === 'sends' || last.sends.length === 0)));
    const segment = fits ? last : { dispatches: [], sends: [], receives: [] };
    if (!fits) segments.push(segment);
    (segment[kind] as (Dispatch | End)[]).push(operation);
  };
  for (const operation of operations) {
    if (!isTransfer(operation)) add('dispatches', operation);
    else add(operation.direction === 'send' ? 'sends' : 'receives', endOf(operation, placeOf, end));
  }
  return segments.length > 0 ? segments : [{ dispatches: [], sends: [], receives: [] }];
}

function endOf(
  { label, direction, peer, tensor, part }: Transfer,
  placeOf: (tensor: Tensor) => BufferPlace,
  end: ExchangeEnd | undefined,
): End {
  if (!end) throw new ConfigError(`${label}: a program alone can neither send nor receive`);
  const { buffer, offset } = placeOf(tensor);
  const bytes = bytesOf({ ...tensor, ...part });
  const [from, to] = direction === 'send' ? [end.self, peer] : [peer, end.self];
  const first = (part?.first ?? 0) * bytesPerElement(tensor.dataType);
  return { label, message: end.exchange.message(label, from, to, bytes), buffer, offset: offset + first };
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
  // Compiled in the background, all at once, so that making a program does not wait for the driver. What is found wrong then,
  // such as memory that the driver refused, is this program's and nobody else's.
  const ready = Promise.all(prepared.map(({ pipeline }) => pipeline)).then((pipelines) =>
    gpu.validated('a program', () =>
      prepared.map(({ dispatch, layout, entries }, index): Step => {
        const bindGroup = device.createBindGroup({ label: dispatch.label, layout, entries });
        return { dispatch, pipeline: pipelines[index]!, bindGroup };
      }),
    ),
  );
  // Whoever runs the program hears of a failure; nobody may.
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
  /** Submits segment by segment; `encodeSteps` encodes the dispatches of one, whose numbers begin with `first`. */
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
      const inOnePass = (encoder: GPUCommandEncoder, steps: readonly Step[]) => {
        const pass = encoder.beginComputePass();
        for (const step of steps) encode(pass, step);
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

/** All scalars of the dispatches, each with its place in one table. */
function scalarTable(dispatches: readonly Dispatch[]): ScalarSlot[] {
  const types = new Map<string, ScalarType>();
  for (const { label, scalars = {} } of dispatches) {
    for (const [name, type] of Object.entries(scalars)) {
      if ((types.get(name) ?? type) !== type) throw new ConfigError(`${label}: the scalar ${name} has two types`);
      types.set(name, type);
    }
  }
  return [...types].map(([name, type], index) => ({ name, type, index }));
}

/** Resolves a dispatch's tensors to buffers, writes its module, and starts compiling it. */
function prepare(
  gpu: Gpu,
  dispatch: Dispatch,
  scalars: readonly ScalarSlot[],
  placeOf: (tensor: Tensor) => BufferPlace,
  scalarBuffer: GPUBuffer | undefined,
) {
  const places: BufferPlace[] = [];
  const memories: Memory[] = [];
  const operands: Operand[] = [];
  const tensors = { ...dispatch.reads, ...dispatch.writes };
  for (const [name, tensor] of Object.entries(tensors)) {
    const stored = name in dispatch.writes;
    const place = placeOf(tensor);
    let memory = places.findIndex(({ buffer, offset }) => buffer === place.buffer && offset === place.offset);
    if (memory < 0) memory = places.push(place) - 1;
    const before = memories[memory];
    const ranged = dispatch.range?.of === tensor.elements ? dispatch.range : { first: 0, elements: tensor.elements };
    memories[memory] = {
      firstElement: ranged.first,
      elements: Math.max(ranged.elements, before?.elements ?? 1),
      dataType: tensor.dataType,
      written: stored || (before?.written ?? false),
      vectors: dispatch.vectors?.includes(name) || (before?.vectors ?? false),
    };
    operands.push({ name, memory, stored });
  }
  const module = moduleText({
    kernel: dispatch.wgsl,
    operands,
    memories,
    scalars: scalars.filter(({ name }) => name in (dispatch.scalars ?? {})),
    scalarCount: scalars.length,
    bytesPerBinding: bytesPerBinding(gpu),
  });
  const bindingCount = module.bindings.length;
  if (bindingCount > gpu.limits.maxStorageBuffersPerShaderStage) {
    throw new ConfigError(
      `${dispatch.label}: needs ${bindingCount} bindings, the adapter has ${gpu.limits.maxStorageBuffersPerShaderStage}; ` +
        'use a smaller batch',
    );
  }
  const types = module.bindings.map(({ written }): GPUBufferBindingType => (written ? 'storage' : 'read-only-storage'));
  if (module.usesScalars) types.push('uniform');
  const layout = bindGroupLayout(gpu, types);
  const entries: GPUBindGroupEntry[] = module.bindings.map(({ memory, firstElement, elements }, binding) => ({
    binding,
    resource: {
      buffer: places[memory]!.buffer,
      offset: places[memory]!.offset + firstElement * bytesPerElement(memories[memory]!.dataType),
      size: bytesOf({ elements, dataType: memories[memory]!.dataType }),
    },
  }));
  if (module.usesScalars) entries.push({ binding: bindingCount, resource: { buffer: scalarBuffer! } });
  return { dispatch, layout, entries, pipeline: compile(gpu, dispatch.label, module.text, layout) };
}

interface Cache {
  readonly pipelines: Map<string, Promise<GPUComputePipeline>>;
  readonly layouts: Map<string, GPUBindGroupLayout>;
}

/** What was compiled, by device. */
const caches = new WeakMap<GPUDevice, Cache>();

function cacheOf({ device }: Gpu): Cache {
  let cache = caches.get(device);
  if (!cache) {
    cache = { pipelines: new Map(), layouts: new Map() };
    caches.set(device, cache);
  }
  return cache;
}

function bindGroupLayout(gpu: Gpu, types: readonly GPUBufferBindingType[]): GPUBindGroupLayout {
  const { layouts } = cacheOf(gpu);
  const key = types.join();
  let layout = layouts.get(key);
  if (!layout) {
    layout = gpu.device.createBindGroupLayout({
      entries: types.map((type, binding) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } })),
    });
    layouts.set(key, layout);
  }
  return layout;
}

function compile(gpu: Gpu, label: string, code: string, layout: GPUBindGroupLayout): Promise<GPUComputePipeline> {
  const { pipelines } = cacheOf(gpu);
  let pipeline = pipelines.get(code);
  if (!pipeline) {
    const { device } = gpu;
    pipeline = gpu.validated(label, () =>
      device.createComputePipelineAsync({
        label,
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module: device.createShaderModule({ label, code }), entryPoint: 'main' },
      }),
    );
    pipelines.set(code, pipeline);
  }
  return pipeline;
}

/** Runs dispatches, each in a pass of its own that the adapter times. */
async function timed(
  gpu: Gpu,
  dispatches: readonly Dispatch[],
  run: (
    encodePass: (encoder: GPUCommandEncoder, index: number, encode: (pass: GPUComputePassEncoder) => void) => void,
    afterwards: (encoder: GPUCommandEncoder) => void,
  ) => Promise<void>,
): Promise<DispatchTiming[]> {
  if (!gpu.features.has('timestamp-query'))
    throw new ConfigError('this adapter has no timestamps (feature timestamp-query)');
  const toHost = await hostClock(gpu);
  const stopwatch = createStopwatch(gpu, dispatches.length);
  try {
    await run(
      (encoder, index, encode) => {
        const pass = encoder.beginComputePass({ timestampWrites: stopwatch.around(index) });
        encode(pass);
        pass.end();
      },
      (encoder) => stopwatch.resolve(encoder),
    );
    await gpu.finished();
    const times = await stopwatch.read();
    return dispatches.map((dispatch, index) => {
      const { begin, end } = times[index]!;
      return {
        label: dispatch.label,
        start: toHost(begin),
        milliseconds: Number(end - begin) / 1e6,
        bytes: bytesMoved(dispatch),
      };
    });
  } finally {
    stopwatch.dispose();
  }
}

function bytesMoved({ reads, writes, range }: Dispatch): number {
  return [...Object.values(reads), ...Object.values(writes)].reduce((sum, { elements, dataType }) => {
    return sum + bytesOf({ elements: range?.of === elements ? range.elements : elements, dataType });
  }, 0);
}
