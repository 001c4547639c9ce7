import type { Gpu } from '../adapter/gpu.js';
import { planPrograms } from '../kernel/program.js';
import { describeTensor } from '../kernel/tensor.js';
import { type TuneOptions, type TuningReport, tune } from '../kernel/tuner.js';
import { checkOptions } from '../option-checks.js';
import { type CompileOptions, checkCompilable, compileOptionNames, withSeed } from './compile-options.js';
import { CompiledNetwork } from './compiled-network.js';
import { checkDescribed, type NetworkDescription } from './description.js';
import { memoryPlan } from './memory.js';
import type { MemoryPlan, Network } from './network.js';
import { networkTensors, type ProgramOptions } from './network-tensors.js';
import { type NetworkPart, wholePart } from './part.js';
import { type PlacedPart, programsOf } from './station.js';

export type { CompileOptions } from './compile-options.js';

/** Fits a described network to one adapter: gives it memory, compiles its programs, draws its parameters. */
export function compileNetwork(description: NetworkDescription, gpu: Gpu, options: CompileOptions): Network {
  checkDescribed(description);
  checkOptions(description.name, options, compileOptionNames);
  return compileParts(description, [{ gpu, part: wholePart(description, options.batch) }], options);
}

/** Fits the parts of a described network to their adapters, by their numbers. */
export function compileParts(
  description: NetworkDescription,
  parts: readonly PlacedPart[],
  options: CompileOptions,
): Network {
  for (const { gpu } of parts) checkCompilable(description, gpu, options);
  const seeded = withSeed(description, options);
  const make = () => new CompiledNetwork(description, parts, seeded);
  return parts.reduce<() => Network>(
    (rest, { gpu }) =>
      () =>
        gpu.allOrNothing(rest),
    make,
  )();
}

/** How much memory a part of a network would take on its adapter, without taking any: all of it where no part is given. */
export function planNetwork(
  description: NetworkDescription,
  gpu: Gpu,
  options: ProgramOptions,
  part: NetworkPart = wholePart(description, options.batch),
): MemoryPlan {
  checkCompilable(description, gpu, options);
  const tensors = networkTensors(description, part, options, describeTensor);
  return memoryPlan(tensors, planPrograms(gpu, Object.values(programsOf(part, options, tensors))));
}

/** How {@link tuneNetwork} tunes a network: as it will be compiled, and as `tune` is told. */
export type TuneNetworkOptions = CompileOptions & TuneOptions;

/**
 * Finds the fastest kernels for a network, or a part of it, on an adapter before it is made: what {@link compileNetwork}
 * compiles for the adapter afterwards, with the same options, is made of them.
 *
 * @throws as compileNetwork does, and AdapterError where the adapter is lost
 */
export async function tuneNetwork(
  description: NetworkDescription,
  gpu: Gpu,
  options: TuneNetworkOptions,
  part: NetworkPart = wholePart(description, options.batch),
): Promise<TuningReport> {
  checkCompilable(description, gpu, options);
  const tensors = networkTensors(description, part, options, describeTensor);
  const records = Object.values(programsOf(part, options, tensors));
  return tune(
    gpu,
    (recorder) => {
      for (const record of records) record(recorder);
    },
    options,
  );
}
