export { absTanh, identity, logistic, relu, tanh } from './activations.js';
