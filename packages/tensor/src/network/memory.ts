import type { PlannedBytes } from '../kernel/program.js';
import { bytesOf, type Tensor } from '../kernel/tensor.js';
import type { MemoryPlan } from './network.js';
import { allTensors, type NetworkTensors } from './network-tensors.js';

/** Memory of a network in bytes, from its programs' plan and the buffers outside the plan. */
export function memoryPlan(
  tensors: NetworkTensors,
  { plannedBytes, leastBytes, largestBytes, waitingBytes }: PlannedBytes,
  beside = 0,
): MemoryPlan {
  const sum = (some: Iterable<Tensor>) => [...some].reduce((total, tensor) => total + bytesOf(tensor), 0);
  return {
    parameterBytes: sum(tensors.parameters.values()),
    stateBytes: sum(tensors.state.values()),
    layerStateBytes: sum([...tensors.layerState.values(), ...tensors.nextLayerState.values()]),
    activationBytes: plannedBytes,
    leastActivationBytes: leastBytes,
    largestBufferBytes: Math.max(largestBytes, ...allTensors(tensors).map(bytesOf)),
    exchangeBytes: waitingBytes,
    totalBytes: sum(allTensors(tensors)) + plannedBytes + waitingBytes + beside,
  };
}

/** Memory of a network on several adapters in bytes, from that of each. */
export function memoryTogether(plans: readonly MemoryPlan[]): MemoryPlan {
  const sum = (pick: (plan: MemoryPlan) => number) => plans.reduce((total, plan) => total + pick(plan), 0);
  return {
    parameterBytes: sum((plan) => plan.parameterBytes),
    stateBytes: sum((plan) => plan.stateBytes),
    layerStateBytes: sum((plan) => plan.layerStateBytes),
    activationBytes: sum((plan) => plan.activationBytes),
    leastActivationBytes: sum((plan) => plan.leastActivationBytes),
    exchangeBytes: sum((plan) => plan.exchangeBytes),
    largestBufferBytes: Math.max(...plans.map((plan) => plan.largestBufferBytes)),
    totalBytes: sum((plan) => plan.totalBytes),
    ...(plans.length > 1 && { adapters: plans }),
  };
}
