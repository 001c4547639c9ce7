/**
 * The part of WebGPU that Alex uses, under the standard's own names (https://www.w3.org/TR/webgpu/).
 *
 * Depending on its version, TypeScript has these types in its DOM library or in `@webgpu/types`, which are mutually
 * exclusive; Node has none of the constants. With this copy, the packages' declarations compile under every setting,
 * and nothing has to become a global. Objects of the full types are assignable to these, so a program that has the full
 * types can write `gpu.device as GPUDevice`.
 */

/** The allowed uses of a buffer; combine the bits with `|`. */
export const GPUBufferUsage = {
  MAP_READ: 0x0001,
  MAP_WRITE: 0x0002,
  COPY_SRC: 0x0004,
  COPY_DST: 0x0008,
  UNIFORM: 0x0040,
  STORAGE: 0x0080,
  INDIRECT: 0x0100,
  QUERY_RESOLVE: 0x0200,
} as const;

/** What the host may do with a mapped buffer. */
export const GPUMapMode = { READ: 0x0001, WRITE: 0x0002 } as const;

/** The pipeline stages that see a binding. */
export const GPUShaderStage = { COMPUTE: 0x4 } as const;

/** Provides the adapters of one driver. */
export interface GPU {
  requestAdapter(options?: GPURequestAdapterOptions): Promise<GPUAdapter | null>;
}

export interface GPURequestAdapterOptions {
  readonly powerPreference?: 'low-power' | 'high-performance';
  readonly forceFallbackAdapter?: boolean;
}

export interface GPUAdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly subgroupMinSize: number;
  readonly subgroupMaxSize: number;
  readonly isFallbackAdapter: boolean;
  /** Part of the feature `chromium-experimental-subgroup-matrix`, which only Dawn has. */
  readonly subgroupMatrixConfigs?: Iterable<{
    readonly componentType: string;
    readonly resultComponentType: string;
    readonly M: number;
    readonly N: number;
    readonly K: number;
  }>;
}

/** Features that Alex requests if an adapter has them. */
export type GPUFeature =
  | 'timestamp-query'
  | 'subgroups'
  | 'subgroup-size-control'
  | 'shader-f16'
  | 'chromium-experimental-subgroup-matrix';

export interface GPUAdapter {
  readonly info: GPUAdapterInfo;
  readonly features: ReadonlySet<string>;
  readonly limits: GPUSupportedLimits;
  requestDevice(descriptor: {
    readonly label: string;
    readonly requiredFeatures: readonly GPUFeature[];
    readonly requiredLimits: Record<string, number>;
  }): Promise<GPUDevice>;
}

/** The limits relevant to buffers and compute shaders, as defined by the standard. */
export interface GPUSupportedLimits {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
  readonly maxUniformBufferBindingSize: number;
  readonly maxStorageBuffersPerShaderStage: number;
  readonly minStorageBufferOffsetAlignment: number;
  readonly maxComputeInvocationsPerWorkgroup: number;
  readonly maxComputeWorkgroupSizeX: number;
  readonly maxComputeWorkgroupSizeY: number;
  readonly maxComputeWorkgroupSizeZ: number;
  readonly maxComputeWorkgroupStorageSize: number;
  readonly maxComputeWorkgroupsPerDimension: number;
}

export interface GPUDevice {
  readonly features: ReadonlySet<string>;
  readonly limits: GPUSupportedLimits;
  readonly adapterInfo: GPUAdapterInfo;
  readonly queue: GPUQueue;
  readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
  createBuffer(descriptor: {
    readonly label?: string;
    readonly size: number;
    readonly usage: number;
    readonly mappedAtCreation?: boolean;
  }): GPUBuffer;
  createCommandEncoder(): GPUCommandEncoder;
  createShaderModule(descriptor: { readonly label?: string; readonly code: string }): GPUShaderModule;
  createBindGroupLayout(descriptor: {
    readonly entries: readonly {
      readonly binding: number;
      readonly visibility: number;
      readonly buffer: { readonly type: GPUBufferBindingType };
    }[];
  }): GPUBindGroupLayout;
  createBindGroup(descriptor: {
    readonly label?: string;
    readonly layout: GPUBindGroupLayout;
    readonly entries: readonly GPUBindGroupEntry[];
  }): GPUBindGroup;
  createPipelineLayout(descriptor: { readonly bindGroupLayouts: readonly GPUBindGroupLayout[] }): GPUPipelineLayout;
  createComputePipeline(descriptor: GPUComputePipelineDescriptor): GPUComputePipeline;
  createComputePipelineAsync(descriptor: GPUComputePipelineDescriptor): Promise<GPUComputePipeline>;
  createQuerySet(descriptor: { readonly type: 'timestamp'; readonly count: number }): GPUQuerySet;
  pushErrorScope(filter: 'validation' | 'out-of-memory' | 'internal'): void;
  popErrorScope(): Promise<{ readonly message: string } | null>;
  addEventListener(
    type: 'uncapturederror',
    listener: (event: { readonly error: { readonly message: string }; preventDefault(): void }) => void,
  ): void;
  destroy(): undefined;
}

export interface GPUQueue {
  submit(commandBuffers: readonly GPUCommandBuffer[]): undefined;
  writeBuffer(
    buffer: GPUBuffer,
    offset: number,
    data: ArrayBufferLike | ArrayBufferView,
    dataOffset?: number,
    size?: number,
  ): undefined;
  onSubmittedWorkDone(): Promise<undefined>;
}

export interface GPUBuffer {
  readonly label: string;
  readonly size: number;
  readonly usage: number;
  mapAsync(mode: number, offset?: number, size?: number): Promise<undefined>;
  getMappedRange(offset?: number, size?: number): ArrayBuffer;
  unmap(): undefined;
  destroy(): undefined;
}

export interface GPUCommandEncoder {
  beginComputePass(descriptor?: { readonly timestampWrites?: GPUComputePassTimestampWrites }): GPUComputePassEncoder;
  copyBufferToBuffer(
    source: GPUBuffer,
    sourceOffset: number,
    destination: GPUBuffer,
    destinationOffset: number,
    size: number,
  ): undefined;
  clearBuffer(buffer: GPUBuffer, offset?: number, size?: number): undefined;
  resolveQuerySet(
    querySet: GPUQuerySet,
    firstQuery: number,
    queryCount: number,
    destination: GPUBuffer,
    destinationOffset: number,
  ): undefined;
  finish(): GPUCommandBuffer;
}

export interface GPUComputePassEncoder {
  setPipeline(pipeline: GPUComputePipeline): undefined;
  setBindGroup(index: number, bindGroup: GPUBindGroup): undefined;
  dispatchWorkgroups(x: number, y?: number, z?: number): undefined;
  dispatchWorkgroupsIndirect(indirectBuffer: GPUBuffer, indirectOffset: number): undefined;
  end(): undefined;
}

export interface GPUComputePassTimestampWrites {
  readonly querySet: GPUQuerySet;
  readonly beginningOfPassWriteIndex: number;
  readonly endOfPassWriteIndex: number;
}

export interface GPUComputePipelineDescriptor {
  readonly label?: string;
  readonly layout: GPUPipelineLayout | 'auto';
  readonly compute: { readonly module: GPUShaderModule; readonly entryPoint?: string };
}

export interface GPUComputePipeline {
  readonly label: string;
  getBindGroupLayout(index: number): GPUBindGroupLayout;
}

export type GPUBufferBindingType = 'uniform' | 'storage' | 'read-only-storage';

export interface GPUBindGroupEntry {
  readonly binding: number;
  readonly resource: { readonly buffer: GPUBuffer; readonly offset?: number; readonly size?: number };
}

/** Distinguishes types without members of their own; `@webgpu/types` does it with the same name. */
interface Opaque<Name extends string> {
  readonly label: string;
  readonly __brand?: Name;
}

export interface GPUShaderModule extends Opaque<'GPUShaderModule'> {}
export interface GPUBindGroupLayout extends Opaque<'GPUBindGroupLayout'> {}
export interface GPUBindGroup extends Opaque<'GPUBindGroup'> {}
export interface GPUPipelineLayout extends Opaque<'GPUPipelineLayout'> {}
export interface GPUCommandBuffer extends Opaque<'GPUCommandBuffer'> {}
export interface GPUQuerySet extends Opaque<'GPUQuerySet'> {
  readonly count: number;
  destroy(): undefined;
}
