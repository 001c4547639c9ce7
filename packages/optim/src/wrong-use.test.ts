import { ConfigError } from '@alex/tensor';
import { odd, refuse, refuseWrongOptions } from '../../../wrong-use.base.js';
import { adam } from './adam.js';
import { exponentialSchedule, plateauSchedule, stepSchedule, tableSchedule, warmUp } from './schedule.js';
import { sgd } from './sgd.js';

const constant = stepSchedule({ learningRate: 1, epochs: [] });

refuseWrongOptions([
  ['sgd', sgd],
  ['adam', adam],
  ['stepSchedule', stepSchedule],
  ['exponentialSchedule', exponentialSchedule],
  ['plateauSchedule', plateauSchedule],
  ['tableSchedule', tableSchedule],
  ['warmUp', (options) => warmUp(constant, options)],
]);

refuse(ConfigError, [
  [
    'a rate in words',
    () => sgd(odd({ learningRate: '0.1' })),
    "sgd: learningRate must be a number of at least 0, got '0.1'",
  ],
  ['overrides that are none', () => sgd(odd({ overrides: null })), 'sgd: overrides must be an object'],
  ['an override that is none', () => sgd(odd({ overrides: { conv1: 0 } })), "sgd: override 'conv1' must be an object"],
  ['a misspelt override', () => sgd(odd({ overrides: { conv1: { rate: 0 } } })), "unknown field 'rate'"],
  ['overrides that are none', () => adam(odd({ overrides: 2 })), 'adam: overrides must be an object'],
  [
    'an override that is none',
    () => adam(odd({ overrides: { conv1: null } })),
    "adam: override 'conv1' must be an object",
  ],
  ['no epochs', () => stepSchedule(odd({ learningRate: 1 })), 'stepSchedule: epochs must be an array'],
  ['a single epoch', () => stepSchedule(odd({ learningRate: 1, epochs: 3 })), 'stepSchedule: epochs must be an array'],
  [
    'factors without epochs',
    () => tableSchedule(odd({ learningRate: 1, factors: [1, 0.1] })),
    'tableSchedule: factors must',
  ],
  ['no schedule', () => warmUp(odd(undefined), { epochs: 1, from: 0.1 }), 'warmUp: schedule must be a schedule'],
]);
