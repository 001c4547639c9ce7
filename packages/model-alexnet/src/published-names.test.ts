import { CheckpointError, type HostTensor } from '@alex/tensor';
import { describe, expect, it } from 'vitest';
import { publishedForms, publishedNames } from './index.js';

const { torchvision, caffe } = publishedForms;
const tensorOf = (...shape: number[]): HostTensor => ({
  shape,
  data: new Float32Array(shape.reduce((product, size) => product * size, 1)),
});

/** Some of torchvision's tensors; the hidden layer below the last has 6 units. */
const own = {
  'features.0.weight': tensorOf(4, 3, 11, 11),
  'features.0.bias': tensorOf(4),
  'classifier.4.weight': tensorOf(6, 6),
  'classifier.4.bias': tensorOf(6),
  'classifier.6.weight': tensorOf(10, 6),
  'classifier.6.bias': tensorOf(10),
};

const renamed = (change: (name: string) => string) =>
  Object.fromEntries(Object.entries(own).map(([name, tensor]) => [change(name), tensor]));

describe('names of published weights', () => {
  it('are accepted unchanged, without a message', () => {
    expect(publishedNames('file', own, torchvision)).toEqual({ tensors: own, remarks: [] });
  });

  it.each<[string, (name: string) => string]>([
    ['DataParallel', (name) => `module.${name}`],
    [
      'DataParallel of the convolutions, as in the example of PyTorch',
      (name) => name.replace('features.', 'features.module.'),
    ],
    ['torch.compile', (name) => `_orig_mod.${name}`],
    ['Lightning', (name) => `model.${name}`],
    ['all at once', (name) => `state_dict.model._orig_mod.module.${name}`],
    ['a custom class', (name) => `net.backbone.${name}`],
  ])('are found behind the prefix of %s', (_, change) => {
    const { tensors, remarks } = publishedNames('file', renamed(change), torchvision);
    expect(Object.keys(tensors).sort()).toEqual(Object.keys(own).sort());
    expect(remarks.join()).toMatch(/ is read as \w+\.\d\.\w+, and others in the same way/);
  });

  it('skip what is not a weight, and name it', () => {
    const others = {
      epoch: tensorOf(),
      'features.0.num_batches_tracked': tensorOf(),
      'optimizer.state.0.momentum_buffer': tensorOf(4),
      'features.0.weight.velocity': tensorOf(4, 3, 11, 11),
      'normalize.mean': tensorOf(1, 3, 1, 1),
    };
    const { tensors, remarks } = publishedNames('file', { ...own, ...others }, torchvision);
    expect(tensors).toEqual(own);
    expect(remarks.join()).toMatch(/epoch, features\.0\.num_batches_tracked, .* and 1 more are skipped: not weights/);
  });

  it.each([
    ['fc', torchvision],
    ['head.1', torchvision],
    ['classifier.6.1', torchvision],
  ])('find a last layer that is called %s', (name, form) => {
    const { 'classifier.6.weight': weight, 'classifier.6.bias': bias, ...rest } = own;
    const given = { ...rest, [`module.${name}.weight`]: weight, [`module.${name}.bias`]: bias };
    const { tensors, remarks } = publishedNames('file', given, form);
    expect(Object.keys(tensors).sort()).toEqual(Object.keys(own).sort());
    expect(tensors['classifier.6.weight']).toBe(weight);
    expect(remarks.join()).toContain(`${name} is used as the last layer, classifier.6.`);
  });

  it('find the last layer of a fine-tuned caffemodel, whose old shapes have four sizes', () => {
    const given = {
      'fc7.weight': tensorOf(1, 1, 6, 6),
      'fc7.bias': tensorOf(1, 1, 1, 6),
      'fc8_flickr.weight': tensorOf(1, 1, 20, 6),
      'fc8_flickr.bias': tensorOf(1, 1, 1, 20),
    };
    const { tensors, remarks } = publishedNames('file', given, caffe);
    expect(tensors['fc8.weight']).toBe(given['fc8_flickr.weight']);
    expect(remarks).toEqual(['fc8_flickr is used as the last layer, fc8.']);
  });

  it('are refused if two layers or none could be the last', () => {
    const { 'classifier.6.weight': weight, 'classifier.6.bias': bias, ...rest } = own;
    const two = { ...rest, 'a.weight': weight, 'a.bias': bias, 'b.weight': weight, 'b.bias': bias };
    expect(() => publishedNames('file', two, torchvision)).toThrow(CheckpointError);
    expect(() => publishedNames('file', two, torchvision)).toThrow(/it may be a or b: keep one/);
    const none = { ...rest, 'layer4.weight': tensorOf(3, 3), 'layer4.bias': tensorOf(3) };
    expect(() => publishedNames('file', none, torchvision)).toThrow(
      /classifier\.6\.weight, the last layer of torchvision, is missing; none of its other tensors fits: layer4\.weight \[3, 3\]/,
    );
  });

  it('are refused if one occurs twice', () => {
    const twice = { ...own, 'module.features.0.bias': tensorOf(4) };
    expect(() => publishedNames('file', twice, torchvision)).toThrow(/contains features\.0\.bias twice/);
  });
});
