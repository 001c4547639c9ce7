import { type Block, type Blueprint, change, changeSteps, leaveOut, type Step } from './blueprint.js';

/**
 * The networks for ImageNet: the paper's (Krizhevsky, Sutskever, Hinton, NIPS 2012), the one that its released code
 * trained, its ablations, and well-known replications.
 */

const relu: Step = { kind: 'relu' };

/** Section 3.4: windows of 3 at stride 2, so that they overlap; the 2012 code rounds up. */
const pool = { kind: 'maxPool', size: 3, stride: 2, rounding: 'ceil', ties: 'first' } as const satisfies Step;

/** Section 3.3, the formula as printed: alpha is not divided by the window's size. */
const normalization = {
  kind: 'normalization',
  size: 5,
  alpha: 1e-4,
  beta: 0.75,
  k: 2,
  alphaPerElement: false,
  across: 'maps',
} as const satisfies Step;

/** Section 4.2: half of the units are dropped, and outputs are halved at test time instead of scaled up in training. */
const dropout: Step = { kind: 'dropout', probability: 0.5, inverted: false };

/** Section 5: weights from N(0, 0.01); biases 1 in layers 2, 4, 5 and the hidden dense layers, otherwise 0. */
const deviation = 0.01;

const convolutions: readonly Block[] = [
  {
    kind: 'convolution',
    name: 'conv1',
    width: 96,
    kernel: 11,
    stride: 4,
    padding: 'overhang',
    from: 'all',
    deviation,
    steps: [relu, normalization, pool],
  },
  {
    kind: 'convolution',
    name: 'conv2',
    width: 256,
    kernel: 5,
    padding: 2,
    deviation,
    bias: 1,
    steps: [relu, normalization, pool],
  },
  { kind: 'convolution', name: 'conv3', width: 384, kernel: 3, padding: 1, from: 'all', deviation, steps: [relu] },
  { kind: 'convolution', name: 'conv4', width: 384, kernel: 3, padding: 1, deviation, bias: 1, steps: [relu] },
  { kind: 'convolution', name: 'conv5', width: 256, kernel: 3, padding: 1, deviation, bias: 1, steps: [relu, pool] },
];

/** The dense layers of the paper; the number of the first is a parameter (`fc6` in the paper). */
function denseLayers(first: number): readonly Block[] {
  const hidden: Omit<Block, 'name'> = {
    kind: 'dense',
    width: 4096,
    from: 'all',
    deviation,
    bias: 1,
    steps: [relu, dropout],
  };
  return [
    { ...hidden, name: `fc${first}` },
    { ...hidden, name: `fc${first + 1}` },
    { kind: 'dense', name: `fc${first + 2}`, width: 'classes', from: 'all', deviation, steps: [] },
  ];
}

const paperBlocks = [...convolutions, ...denseLayers(6)];

const paper: Blueprint = {
  about: 'exactly as in the paper: two columns, normalization as printed',
  inputSize: 224,
  classes: 1000,
  columns: 2,
  blocks: paperBlocks,
};

function withoutLayer(name: string): Blueprint {
  return {
    ...paper,
    about: `paper without ${name} (about 2% higher top-1 error, says section 7)`,
    blocks: leaveOut(paperBlocks, name),
  };
}

/** The same normalization as in Caffe, PyTorch and ONNX: alpha is divided by the size of the window. */
const releasedNormalization: Step = { ...normalization, alphaPerElement: true };

/** Not in the paper: a second normalization within each map, over 5 x 5 positions (net 145, `cnorm2`). */
const withinMap: Step = { ...releasedNormalization, alpha: 1e-3, k: 1, across: 'space' };

/** The 2012 code passes the gradient to every element that equals the maximum. */
const releasedPool: Step = { ...pool, ties: 'all' };

const caffeNormalization: Step = { ...releasedNormalization, k: 1 };
const invertedDropout: Step = { ...dropout, inverted: true };
const floorPool: Step = { ...pool, rounding: 'floor' };

function asInCaffe(step: Step): Step {
  if (step.kind === 'normalization') return caffeNormalization;
  return step.kind === 'dropout' ? invertedDropout : step;
}

/** Moves pooling before normalization, in blocks that have both. */
function normalizationLast(block: Block): Block {
  const isLast = ({ kind }: Step) => kind === 'normalization';
  return { ...block, steps: [...block.steps.filter((step) => !isLast(step)), ...block.steps.filter(isLast)] };
}

/**
 * The standard deviation of PyTorch's default, a uniform distribution between plus and minus 1 / sqrt(inputs). PyTorch
 * initializes biases in the same way; here they start at 0.
 */
const torchDeviation = { overInputs: 1 / 3 };

export const imagenet = {
  paper,
  'release-2012': {
    ...paper,
    about: 'the network of the released 2012 code: other order, second normalization, other initial weights',
    // Net 145 of the released code.
    blocks: change(paperBlocks, {
      conv1: { steps: [releasedNormalization, releasedPool, relu] },
      conv2: { steps: [relu, releasedNormalization, withinMap, releasedPool] },
      conv3: { deviation: 0.03 },
      conv4: { deviation: 0.03 },
      conv5: { deviation: 0.03, steps: [releasedPool, relu] },
    }),
  },
  'six-conv': {
    ...paper,
    about: 'paper with a sixth convolutional layer after the last pooling (section 6.2; net 146)',
    blocks: [
      ...convolutions,
      {
        kind: 'convolution',
        name: 'conv6',
        width: 256,
        kernel: 3,
        padding: 1,
        from: 'all',
        deviation,
        bias: 1,
        steps: [relu],
      },
      ...denseLayers(7),
    ],
  },
  'one-column': {
    ...paper,
    about: 'one of the two columns, its last convolution and dense layers at full width (section 3.2)',
    columns: 1,
    blocks: change(paperBlocks, {
      conv1: { width: 48 },
      conv2: { width: 128 },
      conv3: { width: 192 },
      conv4: { width: 192 },
    }),
  },
  'no-lrn': {
    ...paper,
    about: 'paper without response normalization (1.4% higher top-1 error, says section 3.3)',
    blocks: changeSteps(paperBlocks, (step) => (step.kind === 'normalization' ? [] : [step])),
  },
  'non-overlapping': {
    ...paper,
    about: 'paper with 2 x 2 pooling windows at stride 2 (0.4% higher top-1 error, says section 3.4)',
    // Net 147 also reduces the paddings, so that fc6 still sees 6 x 6 maps.
    blocks: change(
      changeSteps(paperBlocks, (step) => (step.kind === 'maxPool' ? [{ ...step, size: 2 }] : [step])),
      { conv2: { padding: 1 }, conv5: { padding: 0 } },
    ),
  },
  'no-communication': {
    ...paper,
    about: 'paper with columns that meet only at the last layer (net 150)',
    // Net 150 widens conv2 and fc6 to compensate for the lost connections.
    blocks: change(paperBlocks, {
      conv2: { width: 320 },
      conv3: { from: 'own' },
      fc6: { width: 8192, from: 'own' },
      fc7: { from: 'own' },
    }),
  },
  'without-conv2': withoutLayer('conv2'),
  'without-conv3': withoutLayer('conv3'),
  'without-conv4': withoutLayer('conv4'),
  'without-conv5': withoutLayer('conv5'),
  ungrouped: {
    ...paper,
    about: 'paper as one column at full width: every layer sees all maps',
    columns: 1,
  },
  caffe: {
    ...paper,
    about: "Caffe's bvlc_alexnet: 227 pixels, groups, normalization across all maps, small biases",
    inputSize: 227,
    columns: 1,
    // It has groups but no columns: its normalization runs over all maps.
    blocks: change(
      changeSteps(paperBlocks, (step) => [asInCaffe(step)]),
      {
        conv1: { padding: 0 },
        conv2: { groups: 2, bias: 0.1 },
        conv4: { groups: 2, bias: 0.1 },
        conv5: { groups: 2, bias: 0.1 },
        fc6: { deviation: 0.005, bias: 0.1 },
        fc7: { deviation: 0.005, bias: 0.1 },
      },
    ),
  },
  caffenet: {
    ...paper,
    about: "Caffe's bvlc_reference_caffenet: caffe with pooling before normalization, biases starting at 1",
    inputSize: 227,
    columns: 1,
    blocks: change(changeSteps(paperBlocks, (step) => [asInCaffe(step)]).map(normalizationLast), {
      conv1: { padding: 0 },
      conv2: { groups: 2 },
      conv4: { groups: 2 },
      conv5: { groups: 2 },
      fc6: { deviation: 0.005 },
      fc7: { deviation: 0.005 },
    }),
  },
  torchvision: {
    ...paper,
    about: "torchvision's alexnet: one column with other widths ('One weird trick'), no normalization",
    columns: 1,
    blocks: [
      {
        kind: 'convolution',
        name: 'conv1',
        width: 64,
        kernel: 11,
        stride: 4,
        padding: 2,
        deviation: torchDeviation,
        steps: [relu, floorPool],
      },
      {
        kind: 'convolution',
        name: 'conv2',
        width: 192,
        kernel: 5,
        padding: 2,
        deviation: torchDeviation,
        steps: [relu, floorPool],
      },
      {
        kind: 'convolution',
        name: 'conv3',
        width: 384,
        kernel: 3,
        padding: 1,
        deviation: torchDeviation,
        steps: [relu],
      },
      {
        kind: 'convolution',
        name: 'conv4',
        width: 256,
        kernel: 3,
        padding: 1,
        deviation: torchDeviation,
        steps: [relu],
      },
      {
        kind: 'convolution',
        name: 'conv5',
        width: 256,
        kernel: 3,
        padding: 1,
        deviation: torchDeviation,
        steps: [relu, floorPool, invertedDropout],
      },
      { kind: 'dense', name: 'fc6', width: 4096, deviation: torchDeviation, steps: [relu, invertedDropout] },
      { kind: 'dense', name: 'fc7', width: 4096, deviation: torchDeviation, steps: [relu] },
      { kind: 'dense', name: 'fc8', width: 'classes', deviation: torchDeviation, steps: [] },
    ],
  },
} as const satisfies Record<string, Blueprint>;
