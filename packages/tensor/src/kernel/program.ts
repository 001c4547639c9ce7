import type { Gpu } from '../adapter/gpu.js';
import { ConfigError } from '../errors.js';
import { type MemoryLayout, type PlanLimits, planMemory } from './plan.js';
import { createRecording, type Dispatch, type Recorder, type ScalarType } from './recorder.js';
import { bufferOf, bytesOf, bytesPerBinding, bytesPerElement, type Tensor } from './tensor.js';
import { type Memory, moduleText, type Operand, type ScalarSlot } from './wgsl.js';

/** How long a dispatch took, and the bytes of the tensors that it reads and writes, each counted once. */
export interface DispatchTiming {
  readonly label: string;
  readonly milliseconds: number;
  readonly bytes: number;
}

/** A flat list of dispatches with everything made up front, run by one submission. */
export interface Program {
  /**
   * Submits the program. Every scalar that its kernels use must be given.
   *
   * The promise ends when the work is handed to the adapter, not when it is done: read a tensor, or `gpu.finished()`.
   *
   * @param afterwards adds to the same submission: a copy of a result
   */
  run(scalars?: Readonly<Record<string, number>>, afterwards?: (encoder: GPUCommandEncoder) => void): Promise<void>;
  /** Runs the program once, each dispatch timed by the adapter, where it has the feature `timestamp-query`. */
  profile(scalars?: Readonly<Record<string, number>>): Promise<DispatchTiming[]>;
  /** Bytes of planned memory, shared by the programs that were made together, and the least that could do. */
  readonly plannedBytes: number;
  readonly leastBytes: number;
  /** Bytes of the largest buffer of it. */
  readonly largestBytes: number;
  readonly dispatchLabels: readonly string[];
  dispose(): void;
}

/** Takes down what a program does. */
export type RecordDispatches = (recorder: Recorder) => void;

/** Makes one program from what `record` records. */
export function createProgram(gpu: Gpu, record: RecordDispatches): Program {
  return createPrograms(gpu, { program: record }).program;
}

/**
 * Makes several programs that never run at the same time, so that they share memory. Each must be disposed; the memory
 * goes with the last.
 */
export function createPrograms<Records extends { readonly [Name in keyof Records]: RecordDispatches | undefined }>(
  gpu: Gpu,
  records: Records,
): { [Name in keyof Records]: Program } {
  const names = Object.keys(records);
  const recordings = (Object.values(records) as RecordDispatches[]).map((record) => recordingOf(gpu, record));
  const layout = planMemory(recordings.flat(), planLimits(gpu));
  return gpu.allOrNothing(() => build(gpu, names, recordings, layout)) as { [Name in keyof Records]: Program };
}

/** The memory that programs made together would share; makes nothing on the adapter. */
export function planPrograms(gpu: Gpu, records: readonly RecordDispatches[]): PlannedBytes {
  return plannedBytesOf(
    planMemory(
      records.flatMap((record) => recordingOf(gpu, record)),
      planLimits(gpu),
    ),
  );
}

/** What is said of a plan. */
export type PlannedBytes = Pick<Program, 'plannedBytes' | 'leastBytes' | 'largestBytes'>;

function plannedBytesOf({ pieceBytes, leastBytes }: MemoryLayout): PlannedBytes {
  return { plannedBytes: sumOf(pieceBytes), leastBytes, largestBytes: Math.max(0, ...pieceBytes) };
}

function planLimits({ limits }: Gpu): PlanLimits {
  return { alignment: limits.minStorageBufferOffsetAlignment, mostBytes: limits.maxBufferSize };
}

function recordingOf(gpu: Gpu, record: RecordDispatches): readonly Dispatch[] {
  const recording = createRecording(gpu);
  record(recording);
  return recording.dispatches;
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function build(
  gpu: Gpu,
  names: readonly string[],
  recordings: readonly (readonly Dispatch[])[],
  layout: MemoryLayout,
): Record<string, Program> {
  const pieces = layout.pieceBytes.map((size, index) =>
    gpu.createBuffer({ label: `memory ${index}`, size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC }),
  );
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
  const programs = names.map((name, index) => {
    const built = buildProgram(gpu, recordings[index]!, placeOf, release);
    return [name, { ...built, ...plannedBytesOf(layout) }] as const;
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

function buildProgram(
  gpu: Gpu,
  dispatches: readonly Dispatch[],
  placeOf: (tensor: Tensor) => BufferPlace,
  release: () => void,
): Omit<Program, keyof PlannedBytes> {
  const { device } = gpu;
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
  // Compiled in the background, all at once, so that making a program does not wait for the driver.
  const ready = Promise.all(
    prepared.map(
      async ({ dispatch, pipeline, layout, entries }): Promise<Step> => ({
        dispatch,
        pipeline: await pipeline,
        bindGroup: device.createBindGroup({ label: dispatch.label, layout, entries }),
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

  return {
    dispatchLabels: dispatches.map((dispatch) => dispatch.label),
    async run(values = {}, afterwards) {
      const steps = await ready;
      writeScalars(values);
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      for (const step of steps) encode(pass, step);
      pass.end();
      afterwards?.(encoder);
      device.queue.submit([encoder.finish()]);
    },
    async profile(values = {}) {
      const steps = await ready;
      writeScalars(values);
      return profileSteps(gpu, steps, encode);
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

const caches = new WeakMap<Gpu, Cache>();

function cacheOf(gpu: Gpu): Cache {
  let cache = caches.get(gpu);
  if (!cache) {
    cache = { pipelines: new Map(), layouts: new Map() };
    caches.set(gpu, cache);
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

async function profileSteps(
  gpu: Gpu,
  steps: readonly Step[],
  encode: (pass: GPUComputePassEncoder, step: Step) => void,
): Promise<DispatchTiming[]> {
  const { device } = gpu;
  if (!gpu.features.has('timestamp-query'))
    throw new ConfigError('this adapter has no timestamps (feature timestamp-query)');
  const count = 2 * steps.length;
  const querySet = device.createQuerySet({ type: 'timestamp', count });
  const resolved = gpu.createBuffer({
    label: 'timestamps',
    size: count * 8,
    usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
  });
  const staging = gpu.createBuffer({
    label: 'timestamps',
    size: count * 8,
    usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  });
  try {
    const encoder = device.createCommandEncoder();
    steps.forEach((step, index) => {
      const pass = encoder.beginComputePass({
        timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * index, endOfPassWriteIndex: 2 * index + 1 },
      });
      encode(pass, step);
      pass.end();
    });
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, count * 8);
    device.queue.submit([encoder.finish()]);
    await gpu.finished();
    await staging.mapAsync(GPUMapMode.READ);
    const nanoseconds = new BigUint64Array(staging.getMappedRange());
    return steps.map(({ dispatch }, index) => ({
      label: dispatch.label,
      milliseconds: Number(nanoseconds[2 * index + 1]! - nanoseconds[2 * index]!) / 1e6,
      bytes: bytesMoved(dispatch),
    }));
  } finally {
    querySet.destroy();
    gpu.destroyBuffer(resolved);
    gpu.destroyBuffer(staging);
  }
}

function bytesMoved({ reads, writes, range }: Dispatch): number {
  return [...Object.values(reads), ...Object.values(writes)].reduce((sum, { elements, dataType }) => {
    return sum + bytesOf({ elements: range?.of === elements ? range.elements : elements, dataType });
  }, 0);
}
