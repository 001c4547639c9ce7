export { type AlexnetOptions, alexnet, type Variant, type VariantDescription, variants } from './alexnet.js';
