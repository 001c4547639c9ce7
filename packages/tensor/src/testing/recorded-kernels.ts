import type { AdapterDescription, Gpu } from '../adapter/gpu.js';
import type { Tensor } from '../kernel/tensor.js';
import type { NetworkDescription } from '../network/description.js';
import type { ProgramOptions } from '../network/network-tensors.js';
import type { NetworkPart } from '../network/part.js';
import { recordPrograms } from '../network/recorded-programs.js';

/** What of an adapter decides the text of kernels. */
export interface KernelAdapter {
  readonly kind: AdapterDescription['kind'];
  /** Invocations of a subgroup; undefined where kernels do without. */
  readonly subgroupSize: number | undefined;
  readonly features?: readonly string[];
  /** Bytes that one binding may hold. Default: 128 MiB, which WebGPU promises. */
  readonly bindingBytes?: number;
  readonly vendor?: string;
  readonly architecture?: string;
}

/** A kernel of a network's program, as it was recorded. */
export interface RecordedKernel {
  /** `train`, `evaluate`, or `update` where a step has several micro-batches. */
  readonly program: string;
  /** `conv2/forward`. */
  readonly label: string;
  readonly workgroups: readonly number[];
  readonly wgsl: string;
  /** `name: f32[96,55,55,128]`, of what it reads and writes. */
  readonly reads: readonly string[];
  readonly writes: readonly string[];
}

/**
 * The kernels that a network is compiled to for an adapter, in their order, without the adapter: for tests that hold
 * kernels' texts, and for a look at what would run on an adapter that is not at hand.
 */
export function recordedKernels(
  description: NetworkDescription,
  adapter: KernelAdapter,
  options: ProgramOptions,
  part?: NetworkPart,
): RecordedKernel[] {
  return recordPrograms(description, adapterInNameOnly(adapter), options, part).flatMap(({ name, dispatches }) =>
    dispatches.map(({ label, wgsl, reads, writes, workgroups }): RecordedKernel => {
      const counts = workgroups.map((count) => count ?? 1);
      return { program: name, label, wgsl, workgroups: counts, reads: inWords(reads), writes: inWords(writes) };
    }),
  );
}

/** Enough of an adapter to record for it; whatever else is asked of it fails. */
function adapterInNameOnly(adapter: KernelAdapter): Gpu {
  const { kind, subgroupSize, features = [], vendor = '', architecture = '', bindingBytes = 2 ** 27 } = adapter;
  const known = {
    description: { index: 0, name: 'no adapter', vendor, architecture, driver: '', kind, embedded: false },
    subgroupSize,
    bindingBytes,
    features: new Set(features),
    limits: {
      minStorageBufferOffsetAlignment: 256,
      maxStorageBufferBindingSize: bindingBytes,
      maxBufferSize: 2 ** 32,
      maxStorageBuffersPerShaderStage: 8,
      maxComputeInvocationsPerWorkgroup: 256,
      maxComputeWorkgroupSizeX: 256,
      maxComputeWorkgroupStorageSize: 16_384,
    },
  };
  return known as unknown as Gpu;
}

function inWords(tensors: Readonly<Record<string, Tensor>>): string[] {
  return Object.entries(tensors).map(([name, { dataType, shape }]) => `${name}: ${dataType}[${shape.join(',')}]`);
}
