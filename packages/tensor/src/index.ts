export { listAdapters, type OpenOptions, openGpu } from './adapter/adapters.js';
export { type AdapterDescription, type BufferOptions, Gpu, type GpuOptions } from './adapter/gpu.js';
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
export { type Elementwise, recordElementwise } from './kernel/elementwise.js';
export { type Epilogue, fusesIntoProducts, recordEpilogue, storeAfter } from './kernel/epilogue.js';
export { Exchange, type ExchangeEnd } from './kernel/exchange.js';
export { fromHalves } from './kernel/half.js';
export { recordPerElement } from './kernel/per-element.js';
export { createProgram, type DispatchTiming, type Program } from './kernel/program.js';
export type { Dispatch, Recorder, ScalarType } from './kernel/recorder.js';
export { measureRoofline, type Roofline } from './kernel/roofline.js';
export { forEachOffset, sweepParts } from './kernel/sweep.js';
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
  recordTunable,
  storageKey,
  type Tunable,
  type Tuning,
  type Tunings,
  tuningsOf,
  useTunings,
} from './kernel/tunable.js';
export {
  type DroppedCandidate,
  type TuneOptions,
  type TuningEffort,
  type TuningEvent,
  type TuningReport,
  tune,
  tuningEfforts,
} from './kernel/tuner.js';
export { createTuningCache, exportTunings, importTunings, type TuningCache } from './kernel/tuning-cache.js';
export { type ProductOptions, recordProduct } from './math/product.js';
export {
  type LoadForm,
  type ProductKernelOptions,
  type ProductOperand,
  productKernel,
  type Reduction,
  type Share,
  stridedColumns,
  stridedRows,
  wholeReduction,
} from './math/product-kernel.js';
export {
  type ProductChoice,
  type ProductPlan,
  type ProductShape,
  type ProductTile,
  planProduct,
  productChoices,
} from './math/product-plan.js';
export { recordRowSums, recordSumOfParts } from './math/sums.js';
export {
  type CompileOptions,
  compileNetwork,
  compileParts,
  planNetwork,
  type TuneNetworkOptions,
  tuneNetwork,
} from './network/compile.js';
export {
  type DescribedLayer,
  describeNetwork,
  type LayerPlacement,
  type NetworkDescription,
  type NetworkOptions,
  type NetworkTable,
  type NetworkTableRow,
  type ReadsFrom,
} from './network/description.js';
export { checkFits, type PartAt } from './network/fit.js';
export type {
  BackwardInput,
  BackwardOutput,
  Column,
  ForwardInput,
  ForwardOutput,
  Initial,
  Layer,
  LayerOptions,
  ParameterDescription,
} from './network/layer.js';
export type { Loss, LossOutput } from './network/loss.js';
export type {
  Evaluation,
  MemoryPlan,
  Network,
  NetworkInput,
  StepOptions,
  StepResult,
  StepUnderWay,
} from './network/network.js';
export type { LearnedParameter, Optimizer } from './network/optimizer.js';
export type { NetworkPart, PartLayer, PartParameter, Range, Spread } from './network/part.js';
export { type Precision, type ProgramOptions, precisions } from './network/programs.js';
export { pieceOf } from './network/spread.js';
export type { PlacedPart } from './network/station.js';
export type { LayerStatistics, ValueStatistics } from './network/statistics.js';
export { outputSize, type Padding, type Pair, paddingOf, pair, type Rounding } from './network/windows.js';
export { normalPairFromBits, streamOf, threefry2x32, threefryWgsl, uniformFromBits } from './random/threefry.js';
export {
  checkHostTensor,
  elementCount,
  elementsPerImage,
  formatShape,
  type HostTensor,
  imageShape,
  type Shape,
} from './shape.js';
