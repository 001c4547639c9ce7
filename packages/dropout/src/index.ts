export { type DropoutOptions, dropout } from './dropout.js';
