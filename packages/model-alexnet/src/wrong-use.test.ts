import { ConfigError } from '@alex/tensor';
import { describe, expect, it } from 'vitest';
import { odd, refuse } from '../../../wrong-use.base.js';
import { alexnet } from './alexnet.js';
import { fromPublished, publishedForms } from './published.js';
import { publishedNames } from './published-names.js';

const { torchvision } = publishedForms;
const description = alexnet({ variant: 'torchvision' });

describe('alexnet', () => {
  it('refuses an option that it does not know, and names those that it knows', () => {
    expect(() => alexnet(odd({ varient: 'paper' }))).toThrow(
      new ConfigError("alexnet: unknown option 'varient'; known: variant, classes, channels, inputSize, without"),
    );
  });

  it.each([null, 3, [3]])('refuses %j instead of options', (wrong) => {
    expect(() => alexnet(odd(wrong))).toThrow(ConfigError);
    expect(() => alexnet(odd(wrong))).toThrow('alexnet: takes an object of options, { variant, ');
  });
});

refuse(ConfigError, [
  [
    'no tensors',
    () => fromPublished('file', odd(undefined), torchvision, description),
    'file: tensors must be an object',
  ],
  [
    'the name of a form',
    () => fromPublished('file', {}, odd('caffe'), description),
    'form must be one of publishedForms: torchvision',
  ],
  ['no description', () => fromPublished('file', {}, torchvision, odd({})), 'a network must be a description, from'],
  [
    'a scale of 0',
    () => fromPublished('file', {}, torchvision, description, 0),
    'file: scale must be a number above 0',
  ],
  ['no tensors', () => publishedNames('file', odd(null), torchvision), 'file: tensors must be an object'],
  ['no form', () => publishedNames('file', {}, odd(undefined)), 'file: form must be one of publishedForms'],
]);
