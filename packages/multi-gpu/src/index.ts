export { type PartOptions, planParts, type Strategy, strategies } from './parts.js';
export { type PlaceOptions, place } from './place.js';
