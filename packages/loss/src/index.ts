export { softmaxCrossEntropy } from './softmax-cross-entropy.js';
