import type { Gpu } from '../adapter/gpu.js';
import { planPrograms } from '../kernel/program.js';
import { describeTensor } from '../kernel/tensor.js';
import { type TuneOptions, type TuningReport, tune, tuneOptionNames } from '../kernel/tuner.js';
import { checkArray, checkOptions } from '../option-checks.js';
import { type CompileOptions, checkCompilable, compileOptionNames, withSeed } from './compile-options.js';
import { CompiledNetwork } from './compiled-network.js';
import { checkDescribed, type NetworkDescription } from './description.js';
import { memoryPlan } from './memory.js';
import type { MemoryPlan, Network } from './network.js';
import { networkTensors, type ProgramOptions } from './network-tensors.js';
import { type NetworkPart, wholePart } from './part.js';
import { type PlacedPart, programsOf } from './station.js';

export type { CompileOptions } from './compile-options.js';

/**
 * Compiles a described network for one adapter: allocates its memory, compiles its programs, initializes its
 * parameters.
 */
export function compileNetwork(description: NetworkDescription, gpu: Gpu, options: CompileOptions): Network {
  checkDescribed(description);
  checkOptions(description.name, options, compileOptionNames);
  return compileParts(description, [{ gpu, part: wholePart(description, options.batch) }], options);
}

/** Compiles the parts of a described network for their adapters, in order of their numbers. */
export function compileParts(
  description: NetworkDescription,
  parts: readonly PlacedPart[],
  options: CompileOptions,
): Network {
  checkArray('compileParts', 'parts', parts);
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

/**
 * Predicts the memory of a part of a network on its adapter without allocating any.
 *
 * @param given the part. Default: the whole network
 * @throws as {@link compileNetwork} does
 */
export function planNetwork(
  description: NetworkDescription,
  gpu: Gpu,
  options: ProgramOptions,
  given?: NetworkPart,
): MemoryPlan {
  checkCompilable(description, gpu, options);
  const part = given ?? wholePart(description, options.batch);
  const tensors = networkTensors(description, part, options, describeTensor);
  return memoryPlan(tensors, planPrograms(gpu, Object.values(programsOf(part, options, tensors))));
}

/** Options of {@link tuneNetwork}: those of the compilation and those of `tune`. */
export type TuneNetworkOptions = CompileOptions & TuneOptions;

/**
 * Finds the fastest kernels for a network, or a part of it, on an adapter before it is compiled. {@link compileNetwork}
 * with the same options then uses them on that adapter.
 *
 * @param given the part. Default: the whole network
 * @throws as compileNetwork does, and AdapterError if the adapter is lost
 */
export async function tuneNetwork(
  description: NetworkDescription,
  gpu: Gpu,
  options: TuneNetworkOptions,
  given?: NetworkPart,
): Promise<TuningReport> {
  checkDescribed(description);
  checkOptions(description.name, options, [...compileOptionNames, ...tuneOptionNames]);
  const { effort, cache, budgetMilliseconds, onEvent, signal, clock, trialProcess, ...compiled } = options;
  checkCompilable(description, gpu, compiled);
  const part = given ?? wholePart(description, compiled.batch);
  const tensors = networkTensors(description, part, compiled, describeTensor);
  const records = Object.values(programsOf(part, compiled, tensors));
  return tune(
    gpu,
    (recorder) => {
      for (const record of records) record(recorder);
    },
    { effort, cache, budgetMilliseconds, onEvent, signal, clock, trialProcess },
  );
}
