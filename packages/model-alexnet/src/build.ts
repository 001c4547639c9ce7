import { relu } from '@alex/activations';
import { dropout } from '@alex/dropout';
import { conv2d, local2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { localResponseNorm } from '@alex/lrn';
import { averagePool, maxPool } from '@alex/pool';
import { describeNetwork, type Layer, type LayerPlacement, type NetworkDescription, type Shape } from '@alex/tensor';
import { elementsPerImage } from '@alex/tensor/kernels';
import { type Block, type Blueprint, numberOf, type Step } from './blueprint.js';

interface BuildOptions {
  readonly name: string;
  readonly channels: number;
  readonly inputSize: number;
  readonly classes: number;
}

/**
 * Turns a blueprint into layers for one image size.
 *
 * @throws ShapeError if the image is too small, with the name of the layer that it is too small for
 */
export function build(blueprint: Blueprint, { name, channels, inputSize, classes }: BuildOptions): NetworkDescription {
  const { columns } = blueprint;
  const image = [channels, inputSize, inputSize];
  const layers: LayerPlacement[] = [];
  let shape: Shape = [1, ...image];
  const add = (layer: Layer, from: LayerPlacement['from']) => {
    layers.push({ layer, from });
    shape = layer.outputShape(shape);
  };
  for (const block of blueprint.blocks) {
    const from = columns === 1 ? 'own' : (block.from ?? 'own');
    const groups = block.groups ?? (from === 'own' ? columns : 1);
    add(learnedLayer(block, { input: shape, groups, classes }), from);
    for (const step of block.steps) add(followingLayer(step, step.number ?? numberOf(block), columns), 'own');
  }
  return describeNetwork({ name, input: image, columns, layers });
}

function learnedLayer(block: Block, at: { input: Shape; groups: number; classes: number }): Layer {
  const { name, stride = 1, bias = 0 } = block;
  const { groups } = at;
  const width = block.width === 'classes' ? at.classes : block.width;
  const [, maps = 0, height = 1] = at.input;
  const initial = (inputs: number) => ({
    weightDeviation:
      typeof block.deviation === 'number' ? block.deviation : Math.sqrt(block.deviation.overInputs / inputs),
    bias,
  });
  if (block.kind === 'dense' && groups === 1) {
    return dense({ name, units: width, initial: initial(elementsPerImage(at.input)) });
  }
  // A dense layer whose columns each read only their own is a convolution with filters as large as the maps.
  const kernel = block.kernel ?? height;
  const padding = block.padding === 'overhang' ? overhang(height, kernel, stride) : (block.padding ?? 0);
  const options = {
    name,
    filters: width,
    kernel,
    stride,
    padding,
    initial: initial((maps / groups) * kernel * kernel),
  };
  return block.kind === 'local' ? local2d(options) : conv2d({ ...options, groups });
}

/** cuda-convnet computes `1 + ceil((size - kernel) / stride)` outputs: the last window may extend beyond the edge. */
function overhang(size: number, kernel: number, stride: number) {
  const beyond = size < kernel ? 0 : Math.ceil((size - kernel) / stride) * stride + kernel - size;
  return { top: 0, left: 0, bottom: beyond, right: beyond };
}

function followingLayer(step: Step, number: number, columns: number): Layer {
  switch (step.kind) {
    case 'relu':
      return relu({ name: `relu${number}` });
    case 'normalization': {
      const { size, alpha, beta, k, alphaPerElement, across } = step;
      // Windows never cross columns (2012 code).
      const name = across === 'maps' ? `norm${number}` : `norm${number}-within-map`;
      return localResponseNorm({ name, size, alpha, beta, k, alphaPerElement, across, groups: columns });
    }
    case 'maxPool': {
      const { size, stride, rounding, ties } = step;
      return maxPool({ name: `pool${number}`, size, stride, rounding, ties });
    }
    case 'averagePool': {
      const { size, stride, rounding } = step;
      return averagePool({ name: `pool${number}`, size, stride, rounding, countPadding: false });
    }
    case 'dropout':
      return dropout({ name: `dropout${number}`, probability: step.probability, inverted: step.inverted });
  }
}
