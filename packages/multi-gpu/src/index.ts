export { type PlaceOptions, place } from './place.js';
