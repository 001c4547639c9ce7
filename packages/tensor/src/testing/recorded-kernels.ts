import type { AdapterDescription, Gpu } from '../adapter/gpu.js';
import type { SubgroupMatrix } from '../adapter/subgroups.js';
import { kernelText } from '../kernel/kernel-text.js';
import type { Tensor } from '../kernel/tensor.js';
import { type Traffic, trafficOf } from '../kernel/traffic.js';
import { trustRisky } from '../kernel/tunable.js';
import type { NetworkDescription } from '../network/description.js';
import type { ProgramOptions } from '../network/network-tensors.js';
import type { NetworkPart } from '../network/part.js';
import { recordPrograms } from '../network/recorded-programs.js';

/** What of an adapter decides the text of kernels. */
export interface KernelAdapter {
  readonly kind: AdapterDescription['kind'];
  /** Invocations of a subgroup; undefined where kernels do without. */
  readonly subgroupSize: number | undefined;
  /** Whether kernels must ask for that size, since the adapter would otherwise choose one. Default: false. */
  readonly choosesSubgroupSize?: boolean;
  readonly features?: readonly string[];
  /** What its matrix units multiply. Default: it has none. */
  readonly subgroupMatrix?: SubgroupMatrix;
  /** Bytes of memory, and invocations, of a workgroup, and bindings of a kernel. Default: what WebGPU promises. */
  readonly workgroupBytes?: number;
  readonly workgroupInvocations?: number;
  readonly bindings?: number;
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
  /** All of it, with declarations, as the driver's compiler gets it. */
  text(): string;
  /** `name: f32[96,55,55,128]`, of what it reads and writes. */
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  /** Bytes that it must move. */
  readonly traffic: Traffic;
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
  const gpu = adapterInNameOnly(adapter);
  // As on an adapter on which they have been examined and were right.
  trustRisky(gpu);
  return recordPrograms(description, gpu, options, part).flatMap(({ name, dispatches }) =>
    dispatches.map((dispatch): RecordedKernel => {
      const { label, wgsl, reads, writes, workgroups } = dispatch;
      const counts = workgroups.map((count) => count ?? 1);
      const text = () => kernelText(gpu, dispatch).text;
      const [read, written] = [inWords(reads), inWords(writes)];
      const traffic = trafficOf(dispatch);
      return { program: name, label, wgsl, text, workgroups: counts, reads: read, writes: written, traffic };
    }),
  );
}

/** Enough of an adapter to record for it; whatever else is asked of it fails. */
function adapterInNameOnly(adapter: KernelAdapter): Gpu {
  const { kind, subgroupSize, choosesSubgroupSize = false, subgroupMatrix } = adapter;
  const { features = [], vendor = '', architecture = '' } = adapter;
  const { bindingBytes = 2 ** 27, workgroupBytes = 16_384, workgroupInvocations = 256, bindings = 8 } = adapter;
  const known = {
    description: { index: 0, name: 'no adapter', vendor, architecture, driver: '', kind, embedded: false },
    subgroupSize,
    pinnedSubgroupSize: choosesSubgroupSize ? subgroupSize : undefined,
    subgroupMatrix,
    bindingBytes,
    features: new Set(features),
    limits: {
      minStorageBufferOffsetAlignment: 256,
      maxStorageBufferBindingSize: bindingBytes,
      maxBufferSize: 2 ** 32,
      maxStorageBuffersPerShaderStage: bindings,
      maxComputeInvocationsPerWorkgroup: workgroupInvocations,
      maxComputeWorkgroupSizeX: workgroupInvocations,
      maxComputeWorkgroupStorageSize: workgroupBytes,
    },
  };
  return known as unknown as Gpu;
}

function inWords(tensors: Readonly<Record<string, Tensor>>): string[] {
  return Object.entries(tensors).map(([name, { dataType, shape }]) => `${name}: ${dataType}[${shape.join(',')}]`);
}
