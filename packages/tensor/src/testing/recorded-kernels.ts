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
import { checkOptions } from '../option-checks.js';

/** The properties of an adapter that determine the text of kernels. */
export interface KernelAdapter {
  readonly kind: AdapterDescription['kind'];
  /** Lanes of a subgroup; undefined if kernels do not use subgroups. */
  readonly subgroupSize: number | undefined;
  /** Whether kernels must request that size, because the adapter would otherwise choose one. Default: false. */
  readonly choosesSubgroupSize?: boolean;
  readonly features?: readonly string[];
  /** The size of its matrix units. Default: none. */
  readonly subgroupMatrix?: SubgroupMatrix;
  /**
   * Workgroup memory in bytes, invocations of a workgroup, and bindings of a kernel. Default: the limits that WebGPU
   * guarantees.
   */
  readonly workgroupBytes?: number;
  readonly workgroupInvocations?: number;
  readonly bindings?: number;
  /** Largest binding in bytes. Default: 128 MiB, which WebGPU guarantees. */
  readonly bindingBytes?: number;
  readonly vendor?: string;
  readonly architecture?: string;
}

/** A kernel of a network's program, as recorded. */
export interface RecordedKernel {
  /** `train`, `evaluate`, or `update` if a step has several micro-batches. */
  readonly program: string;
  /** `conv2/forward`. */
  readonly label: string;
  readonly workgroups: readonly number[];
  readonly wgsl: string;
  /** The complete text with declarations, as the driver's compiler gets it. */
  text(): string;
  /** The tensors that it reads and writes, as `name: f32[96,55,55,128]`. */
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  /** Bytes that it must move. */
  readonly traffic: Traffic;
}

/**
 * The kernels of a network for an adapter, in order, without the adapter itself: for tests that pin the kernels' texts,
 * and to see what would run on an adapter that you do not have.
 *
 * @throws ConfigError for an option that is none
 */
export function recordedKernels(
  description: NetworkDescription,
  adapter: KernelAdapter,
  options: ProgramOptions,
  part?: NetworkPart,
): RecordedKernel[] {
  const gpu = adapterInNameOnly(adapter);
  // As on an adapter where they have been checked and were right.
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

/** Enough of an adapter to record for it; any other use fails. */
function adapterInNameOnly(adapter: KernelAdapter): Gpu {
  checkOptions('recordedKernels', adapter, [
    'kind',
    'subgroupSize',
    'choosesSubgroupSize',
    'features',
    'subgroupMatrix',
    'workgroupBytes',
    'workgroupInvocations',
    'bindings',
    'bindingBytes',
    'vendor',
    'architecture',
  ]);
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
