export { type AlexnetOptions, alexnet, type Variant, type VariantDescription, variants } from './alexnet.js';
export { forPublished, fromPublished, type PublishedForm, publishedForms } from './published.js';
export { type PublishedNames, publishedNames } from './published-names.js';
