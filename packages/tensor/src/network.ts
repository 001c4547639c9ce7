// Compiles described networks for adapters and runs them: for programs that place, train or inspect networks.
export { Exchange, type ExchangeEnd } from './kernel/exchange.js';
export type { MakeMessage, Message, MessageEnds, Taken } from './kernel/message.js';
export {
  type CompileOptions,
  compileNetwork,
  compileParts,
  planNetwork,
  type TuneNetworkOptions,
  tuneNetwork,
} from './network/compile.js';
export { compileOptionNames } from './network/compile-options.js';
export { checkDescribed } from './network/description.js';
export { checkFits, type PartAt } from './network/fit.js';
export type {
  Evaluation,
  MemoryPlan,
  Network,
  NetworkInput,
  StepOptions,
  StepResult,
  StepUnderWay,
} from './network/network.js';
export { type Precision, type ProgramOptions, precisions } from './network/network-tensors.js';
export type { NetworkPart, PartLayer, PartParameter, PartState, Range, Spread } from './network/part.js';
export type { Ranks } from './network/ranks.js';
export { type RecordedProgram, recordPrograms } from './network/recorded-programs.js';
export { pieceOf } from './network/spread.js';
export type { PlacedPart } from './network/station.js';
export type { LayerStatistics, ValueStatistics } from './network/statistics.js';
