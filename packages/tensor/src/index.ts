export { listAdapters, type OpenOptions, openGpu } from './adapter/adapters.js';
export { type AdapterDescription, type BufferOptions, Gpu, type GpuOptions } from './adapter/gpu.js';
export { pollPatiently } from './adapter/patient-polling.js';
export type { SubgroupMatrix } from './adapter/subgroups.js';
export {
  AdapterError,
  AdapterLostError,
  AlexError,
  CheckpointError,
  ConfigError,
  DataError,
  MemoryError,
  ShapeError,
} from './errors.js';
export { createProgram, type DispatchTiming, type Program } from './kernel/program.js';
export type { Recorder } from './kernel/recorder.js';
export {
  createTensor,
  type DataType,
  disposeTensor,
  readTensor,
  type Tensor,
  type TensorOptions,
  writeTensor,
} from './kernel/tensor.js';
export {
  type DescribedLayer,
  type DescribedState,
  describeNetwork,
  type LayerPlacement,
  type NetworkDescription,
  type NetworkOptions,
  type NetworkTable,
  type NetworkTableRow,
  type ReadsFrom,
} from './network/description.js';
export type {
  BackwardInput,
  BackwardOutput,
  Column,
  ForwardInput,
  ForwardOutput,
  Initial,
  Layer,
  LayerOptions,
  LayerWindow,
  ParameterDescription,
  StateDescription,
} from './network/layer.js';
export type { Loss, LossOutput } from './network/loss.js';
export type { LearnedParameter, Optimizer } from './network/optimizer.js';
export { type GPUBuffer, GPUBufferUsage, type GPUDevice, GPUMapMode } from './platform/webgpu.js';
export type { HostTensor, Shape } from './shape.js';
