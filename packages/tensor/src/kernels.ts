// For authors of kernels and layers: recording, products, random numbers, tunables and the tuner.
export { type CompileKernelsOptions, compileKernels } from './kernel/compile-kernels.js';
export { recordElementwise } from './kernel/elementwise.js';
export {
  type Epilogue,
  fusesIntoProducts,
  type GradientEpilogue,
  type LayerBelow,
  recordEpilogue,
  recordGradientEpilogue,
  storeAfter,
  storeGradientAfter,
} from './kernel/epilogue.js';
export type { GradientGather } from './kernel/gradient-gather.js';
export { fromHalves, toHalves } from './kernel/half.js';
export { recordTogether } from './kernel/joined-kernels.js';
export { type KernelBinding, type KernelText, kernelText } from './kernel/kernel-text.js';
export { recordPerElement } from './kernel/per-element.js';
export type { Dispatch, Elementwise, PerElement, ScalarType, Tunable } from './kernel/recorder.js';
export { leastTime, measureRoofline, type Roofline } from './kernel/roofline.js';
export { isFiniteWgsl, isNanWgsl } from './kernel/special-values.js';
export { forEachOffset, sweepParts, type ValuesAtOnce, valuesOf } from './kernel/sweep.js';
export { type Traffic, trafficOf } from './kernel/traffic.js';
export { type CandidateTiming, type TimeCandidatesOptions, timeCandidates } from './kernel/trial.js';
export {
  type Avoided,
  type AvoidedCandidate,
  choiceOf,
  dispatchesOf,
  recordTunable,
  sameChoice,
  storageKey,
  type Tuning,
  type Tunings,
  tuningKey,
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
export { recordUpdate, type Update } from './kernel/update.js';
export { type ProductOptions, recordProduct } from './math/product.js';
export { productKernel } from './math/products/families.js';
export type { ProductFamily, ProductKernelOptions } from './math/products/family.js';
export type { LoadForm } from './math/products/lanes.js';
export { loadedType, loadFunction, type ProductOperand, stridedColumns, stridedRows } from './math/products/operand.js';
export { isRiskyProduct, planProduct, productChoices } from './math/products/plan.js';
export { type Reduction, splitReduction, wholeReduction } from './math/products/reduction.js';
export {
  isStaged,
  type ProductChoice,
  type ProductPlan,
  type ProductShape,
  type Share,
} from './math/products/shape.js';
export type { ProductTile } from './math/products/tile-size.js';
export { recordRowSums, recordSplitKSum } from './math/sums.js';
export { shareOfColumn } from './network/column.js';
export { type ElementwiseLayerOptions, elementwiseLayer } from './network/elementwise-layer.js';
export { outputSize, type Padding, type Pair, paddingOf, pair, type Rounding } from './network/windows.js';
export {
  checkArray,
  checkBoolean,
  checkFinite,
  checkGpu,
  checkNotNegative,
  checkOneOf,
  checkOptions,
  checkPositive,
  checkSignal,
  checkText,
  checkWholeNumber,
  optionError,
} from './option-checks.js';
export {
  normalPairFromBits,
  streamOf,
  threefry2x32,
  threefryInto,
  threefryWgsl,
  uniformFromBits,
} from './random/threefry.js';
export { checkHostTensor, elementCount, elementsPerImage, formatShape, imageShape, kindOfArray } from './shape.js';
