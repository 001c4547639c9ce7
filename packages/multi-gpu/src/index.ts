export {
  chooseStrategy,
  type Prediction,
  type PredictionOptions,
  predictAlone,
  predictSteps,
} from './cost.js';
export { type PartOptions, planParts, type Strategy, strategies } from './parts.js';
export { type PlaceOptions, partsOn, place } from './place.js';
export { measureRates, type Rates } from './rates.js';
